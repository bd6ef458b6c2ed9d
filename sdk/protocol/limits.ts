/**
 * Bounds that peers hold each other to, each with the reason for its number. A peer that passes one is cut off, so both
 * ends must agree on them.
 */

/** Session messages: the largest is a receipt with the leaves of one segment, 4,096 leaves of about 140 bytes. */
export const MAX_SESSION_MESSAGE_BYTES = 1_048_576;
/** Calls in flight each way: a node has tens of jobs, and a call lasts a round trip. More is a flood. */
export const MAX_CALLS_IN_FLIGHT = 64;
/** Levels of nesting in a message: the deepest of ours has 6. Bounds the decoder's stack. */
export const MAX_MESSAGE_DEPTH = 16;
/** Values in one message: 4,096 leaves of 6 named fields are 53,000. Bounds the decoder's work per byte. */
export const MAX_MESSAGE_ITEMS = 100_000;
/** Leaves of one receipt: 32 rungs of 128 parts (a 4 s segment has 16). */
export const MAX_RECEIPT_LEAVES = 4_096;
/** Receipts that one voucher covers: 30 s of a busy node, 200 jobs of 15 segments. */
export const MAX_VOUCHER_RECEIPTS = 4_096;
/** Segments that a payee asks about at once; at most a few of an attempt are never checked. */
export const MAX_REVIEWED_WORK = 256;
/** Rungs and audio groups of one stream: rung numbers end at 102. */
export const MAX_RENDITIONS = 40;
/** Jobs of one node at once, as told in a heartbeat; 1,000 take 250 KB. */
export const MAX_NODE_JOBS = 1_024;
/** Addresses of one node: a few networks, two families, TCP alone. */
export const MAX_MULTIADDRS = 16;
/** Edges that may feed another one: the nearest, and a few for when it dies. */
export const MAX_PARENTS = 4;

/** Media messages: one message is at most a frame and its header. */
export const MAX_MEDIA_MESSAGE_BYTES = 8_388_608;
/** Coded data of one frame: a lossless-looking 4K key frame at 100 Mb/s stays under 3 MB. */
export const MAX_FRAME_BYTES = 6_291_456;
/** Codec configuration boxes are tens of bytes; some carry several parameter sets. */
export const MAX_CONFIG_BYTES = 65_536;
/** Splice commands with their descriptors are about a hundred bytes; playlists show them whole, in hex. */
export const MAX_CUE_BYTES = 512;
/** Cues that a segment names: those of an hour with a break every quarter, its beginning and its end. */
export const MAX_CUES = 8;
/** A tag of timed metadata is a line of text or a small object; one with a picture in it belongs elsewhere. */
export const MAX_TAG_BYTES = 4_096;
/** Tags of one frame: a packet of sound lasts 20 ms, a picture 40. */
export const MAX_FRAME_TAGS = 4;
/** The last moment whose year has four digits: what playlists can name. */
export const MAX_DATE_MS = 253_402_300_799_999;

/**
 * How far two parties' clocks may be apart: what one says stands until a time, the other takes to stand so much longer.
 * Machines whose clocks nobody sets are off by minutes; what is signed here names a time of an hour or more ahead.
 */
export const MAX_CLOCK_ERROR_SECONDS = 900;

/** A gossiped offer: twice the largest that its schema allows in practice (16 addresses, 8 prices in 4 tokens). */
export const MAX_OFFER_BYTES = 32_768;
/** Offers of distinct nodes that one node remembers; 32 KiB each at worst, about 2 KiB in practice. */
export const MAX_OFFERS_HELD = 20_000;

/** Vouchers left with a watchtower by one call, each about 600 bytes. */
export const MAX_WATCH_VOUCHERS = 64;
/** Channels that a watchtower keeps of one payee: buyers of a cluster that are live at once. */
export const MAX_WATCHED_OF_PAYEE = 4_096;
/** Channels that it keeps in all: some 100 MB on disk. */
export const MAX_WATCHED = 100_000;
