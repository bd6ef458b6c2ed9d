/** A stream key is a few dozen characters. */
export const MAX_STREAM_NAME = 256;
