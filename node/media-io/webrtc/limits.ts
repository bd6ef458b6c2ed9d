/** Bounds on what a client may make us hold or do, each with its reason. */

/** A browser's offer of every codec it has, with all its header extensions, has some 8 KB. */
export const MAX_SDP_BYTES = 65_536;
export const MAX_SDP_LINES = 2_048;
/** Chromium offers about forty payload types for video. */
export const MAX_FORMATS = 128;
/** Interfaces times protocols of a laptop with a few virtual networks. */
export const MAX_CANDIDATES = 48;
/** Slices of one picture, and pieces of them: the largest picture has 5,300 packets. */
export const MAX_FRAME_UNITS = 8_192;
/** A stream key is a few dozen characters. */
export const MAX_STREAM_KEY = 256;
/** Largest UDP payload that passes nearly everywhere, less what SRTP and DTLS add. */
export const MAX_PACKET_BYTES = 1_200;
