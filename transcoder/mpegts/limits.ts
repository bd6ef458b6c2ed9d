/** Bounds on what a sender may make us hold or do, each with its reason. */

/** Bytes without a packet in them before a sender is told that this is no transport stream: a second of 500 kb/s. */
export const MAX_GARBAGE_BYTES = 65_536;
/** Tables are repeated ten times a second: this many packets without any are 4 s of 12 Mb/s, or a minute of 800 kb/s. */
export const MAX_PACKETS_WITHOUT_TABLE = 32_768;
/** What the standard allows a table's section. */
export const MAX_SECTION_BYTES = 1_024;
/** Beside one frame, a PES packet has a head and stuffing; several frames of sound in one are far smaller. */
export const MAX_PES_OVERHEAD_BYTES = 65_536;
/** What a PES packet of sound can hold: unlike pictures, it must say how long it is, in 16 bits. */
export const MAX_AUDIO_PES_BYTES = 65_541;
/** Pieces of one PES packet: of the largest picture there are 35,000, each a packet's whole payload. */
export const MAX_PES_PIECES = 65_536;
/**
 * Pictures that are left out while a key frame is waited for: ten seconds. Some broadcasts never send one, only
 * pictures from which all is well again after a while.
 */
export const MAX_PICTURES_WITHOUT_KEY = 250;
