/** Two rows of 16 blocks across the top of the picture: 24 bits of number, then 8 of checksum, high bits first. */
const ROWS = 2;
const COLUMNS = 16;
const BAND = 0.22;
const BLACK = 16;
const WHITE = 235;
/** Blocks of a barcode differ at least this much, whatever the encoder did to them. */
const CONTRAST_LIMIT = 60;

export const BARCODE_NUMBER_LIMIT = 2 ** 24;

/** Paints `number` into the top of a luma plane whose rows are `stride` bytes apart. */
export function paintBarcode(luma: Uint8Array, stride: number, width: number, height: number, number: number): void {
  const bits = encodeBits(number);
  for (let row = 0; row < bandRows(height); row += 1) {
    const line = Math.min(ROWS - 1, Math.floor((row * ROWS) / bandRows(height)));
    for (let column = 0; column < COLUMNS; column += 1) {
      const from = row * stride + Math.round((column * width) / COLUMNS);
      const to = row * stride + Math.round(((column + 1) * width) / COLUMNS);
      luma.fill(bits[line * COLUMNS + column] ? WHITE : BLACK, from, to);
    }
  }
}

/** The rows that the barcode covers. */
export function bandRows(height: number): number {
  return Math.max(ROWS, Math.round(height * BAND));
}

/** The number in a grey picture of any size, or nothing where no barcode with a right checksum is seen. */
export function readBarcode(gray: Uint8Array, width: number, height: number): number | undefined {
  const means = Array.from({ length: ROWS * COLUMNS }, (_, index) => {
    return blockMean(gray, width, height, Math.floor(index / COLUMNS), index % COLUMNS);
  });
  const low = Math.min(...means);
  const high = Math.max(...means);
  if (high - low < CONTRAST_LIMIT) return undefined;
  const middle = (low + high) / 2;
  let value = 0;
  for (const mean of means) value = value * 2 + (mean > middle ? 1 : 0);
  const number = Math.floor(value / 256);
  return checksum(number) === value % 256 ? number : undefined;
}

/** Mean of the middle half of a block, where scaling and ringing reach least. */
function blockMean(gray: Uint8Array, width: number, height: number, row: number, column: number): number {
  const rowHeight = (height * BAND) / ROWS;
  const columnWidth = width / COLUMNS;
  const top = Math.floor((row + 0.25) * rowHeight);
  const bottom = Math.max(top + 1, Math.floor((row + 0.75) * rowHeight));
  const left = Math.floor((column + 0.25) * columnWidth);
  const right = Math.max(left + 1, Math.floor((column + 0.75) * columnWidth));
  let sum = 0;
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) sum += gray[y * width + x] ?? 0;
  }
  return sum / ((bottom - top) * (right - left));
}

function encodeBits(number: number): boolean[] {
  if (!Number.isInteger(number) || number < 0 || number >= BARCODE_NUMBER_LIMIT) {
    throw new RangeError(`a barcode holds 24 bits, not ${number}`);
  }
  const value = number * 256 + checksum(number);
  return Array.from({ length: ROWS * COLUMNS }, (_, index) => Math.floor(value / 2 ** (31 - index)) % 2 === 1);
}

/** CRC-8 (polynomial 0x07) with a start value, so that a black and a white picture are no barcodes. */
function checksum(number: number): number {
  let crc = 0x5a;
  for (const byte of [(number >> 16) & 0xff, (number >> 8) & 0xff, number & 0xff]) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : (crc << 1) & 0xff;
  }
  return crc;
}
