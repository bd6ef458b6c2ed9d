/** Inputs of the ffmpeg program, and what it makes of them. */
export const pattern = (size: string, rate: number | string, seconds: number) => [
  ...["-f", "lavfi", "-i"],
  `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`,
];
export const tone = (rate: number, seconds: number) => [
  ...["-f", "lavfi", "-i"],
  `sine=frequency=440:sample_rate=${rate}:duration=${seconds}`,
];
export const x264 = (...more: string[]) => [
  ...["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"],
  ...more,
];

export interface StrangePictures {
  readonly name: string;
  readonly flags: readonly string[];
  readonly frames: number;
  /** Segments that the stream has. */
  readonly segments: number;
}

/** What encoders send rarely, and may. */
export const strangePictures: readonly StrangePictures[] = [
  { name: "one frame", flags: [...pattern("160x120", 25, 0.04), ...x264()], frames: 1, segments: 1 },
  { name: "a picture of 16x4000", flags: [...pattern("16x4000", 10, 1), ...x264()], frames: 10, segments: 1 },
  {
    name: "a frame every two seconds",
    flags: [...pattern("160x120", 0.5, 10), ...x264("-g", "1")],
    frames: 5,
    segments: 5,
  },
  {
    name: "120 frames a second",
    flags: [...pattern("160x120", 120, 2), ...x264("-g", "120")],
    frames: 240,
    segments: 1,
  },
  {
    name: "no key frame for 30 s",
    flags: [...pattern("160x120", 5, 31), ...x264("-g", "9999", "-sc_threshold", "0")],
    frames: 155,
    segments: 8,
  },
  {
    name: "ten bits, 4:2:2, many B-frames",
    flags: [...pattern("160x120", 25, 2), "-c:v", "libx264", "-pix_fmt", "yuv422p10le", "-bf", "8", "-b_strategy", "0"],
    frames: 50,
    segments: 1,
  },
  {
    name: "interlaced pictures and one channel of 8 kHz",
    flags: [
      ...[...pattern("160x120", 25, 2), ...tone(8_000, 2), ...x264("-flags", "+ildct+ilme")],
      ...["-c:a", "aac", "-ac", "1"],
    ],
    frames: 50,
    segments: 1,
  },
];
