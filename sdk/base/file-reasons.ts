const words: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "this user has no right to it",
  EPERM: "this user has no right to it",
  EEXIST: "something with that name is there already",
  ENOSPC: "the disk is full",
  EDQUOT: "this user's share of the disk is full",
  EROFS: "the disk can only be read",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is no folder",
  ENOTEMPTY: "the folder is not empty",
  ENAMETOOLONG: "its name is too long",
  ELOOP: "its links go round in a circle",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EBUSY: "something else uses it",
  EIO: "the disk fails",
};

/** Why a file could not be used, in words, with the system's own code; anything else is left as it is. */
export function describeFileReason(reason: string): string {
  const known = words[reason];
  return known === undefined ? reason : `${known}, ${reason}`;
}

export function isFileReason(reason: string): boolean {
  return Object.hasOwn(words, reason);
}

/** The system's code of what went wrong with a file, or what was said: of what is no JSON, with a piece of it, one line. */
export function fileReason(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === "string") return code;
  if (error instanceof SyntaxError) return error.message.replace(/\s+/g, " ");
  return String(message ?? error).split("\n")[0]!;
}
