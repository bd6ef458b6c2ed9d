import koffi from "koffi";

/** The only file that knows libsrt's functions (1.4.2 and later; access control is from there on). */

export const srtStates = { connecting: 4, connected: 5 } as const;
export const srtEvents = { in: 0x1, error: 0x8 } as const;
const options = {
  sendSynchronous: 1,
  receiveSynchronous: 2,
  receiveBuffer: 6,
  passphrase: 26,
  receiveLatency: 43,
  peerLatency: 44,
  streamId: 46,
  ipv6Only: 54,
} as const;
/** libsrt's log goes to the process's standard error: only what would end it. */
const LOG_CRITICAL = 2;
/** Socket, then events, in each entry. */
export const EVENT_BYTES = 8;
const ADDRESS_BYTES = 28;
/** 512 letters, and the end that the library writes behind them. */
const STREAM_ID_BYTES = 513;
/** The name of the callback's type is the library's for the whole process. */
const hookType = koffi.proto(
  "int LeatSrtHook(void* opaque, int socket, int version, const void* peer, const char* id)",
);

/** Called for each handshake by a thread of libsrt, which waits for the answer: 0 lets it in. */
export type SrtHook = (socket: number, address: string, streamId: string) => number;

export type SrtLibrary = ReturnType<typeof bindLibrary>;

/** @throws what the system says where there is no such library */
export function loadSrt(names: readonly string[]): SrtLibrary {
  let last: unknown;
  for (const name of names) {
    try {
      return bindLibrary(koffi.load(name));
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

function bindLibrary(library: ReturnType<typeof koffi.load>) {
  const setOption = library.func("int srt_setsockflag(int u, int option, const void* value, int size)");
  const getOption = library.func("int srt_getsockflag(int u, int option, _Out_ uint8_t* value, _Inout_ int* size)");
  const listenCallback = library.func("int srt_listen_callback(int u, LeatSrtHook* hook, void* opaque)");
  const bindTo = library.func("int srt_bind(int u, const void* address, int size)");
  const connectTo = library.func("int srt_connect(int u, const void* address, int size)");
  const acceptFrom = library.func("int srt_accept(int u, _Out_ uint8_t* address, _Inout_ int* size)");
  const nameOf = library.func("int srt_getsockname(int u, _Out_ uint8_t* address, _Inout_ int* size)");
  const add = library.func("int srt_epoll_add_usock(int eid, int u, const int* events)");
  const close = library.func("int srt_close(int u)");
  const cleanup = library.func("int srt_cleanup()");
  const setLogLevel = library.func("void srt_setloglevel(int level)");
  const startup = library.func("int srt_startup()");
  const rejectWith = library.func("int srt_setrejectreason(int u, int reason)");
  const lastError = library.func("int srt_getlasterror(_Out_ int* systemError)");
  const sendBuffer = library.func("int srt_getsndbuffer(int u, _Out_ size_t* packets, _Out_ size_t* bytes)");
  const version = library.func("uint32_t srt_getversion()");
  const setInteger = (socket: number, option: number, value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return setOption(socket, option, bytes, bytes.length) as number;
  };
  const getInteger = (socket: number, option: number) => {
    const bytes = Buffer.alloc(4);
    return (getOption(socket, option, bytes, [bytes.length]) as number) === 0 ? bytes.readInt32LE() : 0;
  };
  return {
    create: library.func("int srt_create_socket()") as () => number,
    listen: library.func("int srt_listen(int u, int backlog)") as (socket: number, backlog: number) => number,
    receive: library.func("int srt_recvmsg(int u, _Out_ uint8_t* buffer, int size)") as (
      socket: number,
      buffer: Uint8Array,
      size: number,
    ) => number,
    /** One message, of a payload at most. Below 0 where it cannot be taken now. */
    send: library.func("int srt_send(int u, const void* bytes, int size)") as (
      socket: number,
      bytes: Uint8Array,
      size: number,
    ) => number,
    /** What the receiver has not acknowledged, bytes. */
    unacknowledged(socket: number): number {
      const bytes = [0];
      sendBuffer(socket, [0], bytes);
      return Number(bytes[0]);
    },
    state: library.func("int srt_getsockstate(int u)") as (socket: number) => number,
    /** Of the system, as it numbers them; 0 where the fault is not the system's. */
    lastSystemError(): number {
      const code = [0];
      lastError(code);
      return code[0]!;
    },
    createPoll: library.func("int srt_epoll_create()") as () => number,
    poll: library.func("int srt_epoll_uwait(int eid, _Out_ uint8_t* events, int count, int64_t ms)") as (
      poll: number,
      events: Uint8Array,
      count: number,
      ms: number,
    ) => number,
    start(): void {
      startup();
      setLogLevel(LOG_CRITICAL);
    },
    /** Off this thread: a thread of libsrt may be waiting for its hook's answer here. */
    stop: (): Promise<void> => new Promise((resolve) => cleanup.async(() => resolve())),
    closeLater: (socket: number): Promise<void> => new Promise((resolve) => close.async(socket, () => resolve())),
    version(): string {
      const number = version() as number;
      return `${number >> 16}.${(number >> 8) & 0xff}.${number & 0xff}`;
    },
    bind: (socket: number, host: string, port: number): number => {
      const address = writeAddress(host, port);
      return bindTo(socket, address, address.length) as number;
    },
    /** Begins to call, where the socket never waits. */
    connect: (socket: number, host: string, port: number): number => {
      const address = writeAddress(host, port);
      return connectTo(socket, address, address.length) as number;
    },
    /** Why a call came to nothing, as SRT numbers it. */
    rejectReason: library.func("int srt_getrejectreason(int u)") as (socket: number) => number,
    setStreamId: (socket: number, streamId: string): number =>
      setOption(socket, options.streamId, Buffer.from(streamId), Buffer.byteLength(streamId)) as number,
    portOf(socket: number): number {
      const address = Buffer.alloc(ADDRESS_BYTES);
      nameOf(socket, address, [ADDRESS_BYTES]);
      return address.readUInt16BE(2);
    },
    accept(socket: number): { readonly socket: number; readonly address: string } | undefined {
      const address = Buffer.alloc(ADDRESS_BYTES);
      const accepted = acceptFrom(socket, address, [ADDRESS_BYTES]) as number;
      return accepted < 0 ? undefined : { socket: accepted, address: readAddress(address) };
    },
    streamIdOf(socket: number): string {
      const bytes = Buffer.alloc(STREAM_ID_BYTES);
      const size = [STREAM_ID_BYTES];
      if ((getOption(socket, options.streamId, bytes, size) as number) !== 0) return "";
      return bytes.subarray(0, size[0]).toString();
    },
    /** How long the receiver holds back what we send, milliseconds. */
    latencyOf: (socket: number): number => getInteger(socket, options.peerLatency),
    /** How long what we receive is held back: the longer one of what both sides want, once they are connected. */
    heldBackOf: (socket: number): number => getInteger(socket, options.receiveLatency),
    neverWait: (socket: number): number =>
      setInteger(socket, options.receiveSynchronous, 0) || setInteger(socket, options.sendSynchronous, 0),
    setLatency: (socket: number, ms: number): number => setInteger(socket, options.receiveLatency, ms),
    /** The least for which the receiver is to hold back what we send. */
    setPeerLatency: (socket: number, ms: number): number => setInteger(socket, options.peerLatency, ms),
    setReceiveBuffer: (socket: number, bytes: number): number => setInteger(socket, options.receiveBuffer, bytes),
    takeBothFamilies: (socket: number): number => setInteger(socket, options.ipv6Only, 0),
    setPassphrase: (socket: number, passphrase: string): number =>
      setOption(socket, options.passphrase, Buffer.from(passphrase), Buffer.byteLength(passphrase)) as number,
    watch: (poll: number, socket: number): number => add(poll, socket, [srtEvents.in | srtEvents.error]) as number,
    reject: (socket: number, reason: number): number => rejectWith(socket, reason) as number,
    /** Gives what takes the hook away; call it once the library is stopped. */
    hook(socket: number, hook: SrtHook): () => void {
      const answer = (_: unknown, connection: number, __: number, peer: unknown, streamId: string | null) => {
        const family = koffi.decode(peer, "uint16_t") as number;
        const size = family === AF_INET ? 16 : ADDRESS_BYTES;
        const address = koffi.decode(peer, koffi.array("uint8_t", size, "Typed")) as Uint8Array;
        return hook(connection, readAddress(Buffer.from(address)), streamId ?? "");
      };
      const pointer = koffi.register(answer, koffi.pointer(hookType));
      listenCallback(socket, pointer, null);
      return () => koffi.unregister(pointer);
    },
  };
}

const AF_INET = 2;
/** Linux's; the library's packages that we look for are Linux's too. */
const AF_INET6 = 10;

function writeAddress(host: string, port: number): Buffer {
  if (!host.includes(":")) {
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_INET, 0);
    address.writeUInt16BE(port, 2);
    address.set(host.split(".").map(Number), 4);
    return address;
  }
  const address = Buffer.alloc(ADDRESS_BYTES);
  address.writeUInt16LE(AF_INET6, 0);
  address.writeUInt16BE(port, 2);
  address.set(parseIpv6(host), 8);
  return address;
}

function parseIpv6(host: string): number[] {
  const [head = "", tail] = host.split("::");
  const words = (text: string) => (text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16)));
  const [first, last] = [words(head), words(tail ?? "")];
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array<number>(zeros).fill(0), ...last].flatMap((word) => [word >> 8, word & 0xff]);
}

function readAddress(bytes: Buffer): string {
  if (bytes.readUInt16LE(0) === AF_INET) return bytes.subarray(4, 8).join(".");
  const ip = bytes.subarray(8, 24);
  // Of IPv4, where one socket takes both.
  const isMapped = ip.subarray(0, 10).every((byte) => byte === 0) && ip.readUInt16BE(10) === 0xffff;
  if (isMapped) return ip.subarray(12).join(".");
  return Array.from({ length: 8 }, (_, index) => ip.readUInt16BE(index * 2).toString(16)).join(":");
}
