/** Bounds on what a peer may make us hold or do, each with its reason. */

/** A 4K key frame at 100 Mb/s stays under 3 MB. */
export const MAX_MESSAGE_BYTES = 8 * 2 ** 20;
/** All unfinished messages of a connection: one large video message and one of everything else. */
export const MAX_BUFFERED_BYTES = 12 * 2 ** 20;
/** Publishers use three to six, servers as many. */
export const MAX_CHUNK_STREAMS = 32;
/** The protocol's own maximum: a chunk is read as it comes, so its size costs nothing until the message's limit. */
export const MAX_CHUNK_BYTES = 0xffffff;
/** Commands and metadata are a few hundred bytes. */
export const MAX_COMMAND_BYTES = 65_536;
export const MAX_AMF_DEPTH = 8;
export const MAX_AMF_ITEMS = 1_024;
