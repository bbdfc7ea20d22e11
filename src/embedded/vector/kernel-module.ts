/**
 * The scoring kernel: a WebAssembly module of two functions, `dot` and `squaredDistance`, over float32.
 * Each scores `count` vectors that lie one after another, `strideBytes` apart, and writes one float32 a vector.
 * The stride is a multiple of 64 bytes, so four 16-byte accumulators run without a tail: zeros pad a vector.
 */
export interface KernelExports {
  dot: KernelFunction;
  squaredDistance: KernelFunction;
}

export type KernelFunction = (query: number, vectors: number, scores: number, count: number, strideBytes: number) => void;

/** Bytes one turn of the inner loop takes: four accumulators of four float32. */
export const STRIDE_GRAIN_BYTES = 64;

const I32 = 0x7f;
const V128 = 0x7b;

// Parameters of a kernel function, then its locals, in the order WebAssembly numbers them.
const QUERY = 0;
const VECTORS = 1;
const SCORES = 2;
const COUNT = 3;
const STRIDE = 4;
const CURSOR = 5;
const QUERY_END = 6;
const SCORES_END = 7;
const ACCUMULATORS = [8, 9, 10, 11] as const;
const DIFFERENCE = 12;

type Code = readonly number[];

/** Unsigned LEB128, WebAssembly's integer format. */
function leb(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

/** Signed LEB128 of a constant in 0 to 8191, the only ones the kernel holds. */
function constant(value: number): Code {
  return value < 0x40 ? [0x41, value] : [0x41, (value & 0x7f) | 0x80, value >>> 7];
}

const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const tee = (local: number): Code => [0x22, local];
const simd = (opcode: number): Code => [0xfd, ...leb(opcode)];
const V128_LOAD = 0x00;
const V128_CONST = 0x0c;
const EXTRACT_LANE = 0x1f;
const F32X4_ADD = 0xe4;
const F32X4_SUB = 0xe5;
const F32X4_MUL = 0xe6;
const I32_ADD = 0x6a;
const I32_SHL = 0x74;
const I32_LT_U = 0x49;
const F32_ADD = 0x92;
const IF = [0x04, 0x40];
const LOOP = [0x03, 0x40];
const BR_IF_INNERMOST = [0x0d, 0x00];
const END = 0x0b;
/** Log2 of the alignment promised to the processor; blocks begin on 64 bytes, so both hold. */
const ALIGN_16 = 4;
const ALIGN_4 = 2;

function loadAt(local: number, offset: number): Code {
  return [...get(local), ...simd(V128_LOAD), ALIGN_16, ...leb(offset)];
}

function dotStep(accumulator: number, offset: number): Code {
  return [
    ...get(accumulator), ...loadAt(CURSOR, offset), ...loadAt(VECTORS, offset),
    ...simd(F32X4_MUL), ...simd(F32X4_ADD), ...set(accumulator),
  ];
}

function distanceStep(accumulator: number, offset: number): Code {
  return [
    ...get(accumulator), ...loadAt(CURSOR, offset), ...loadAt(VECTORS, offset),
    ...simd(F32X4_SUB), ...tee(DIFFERENCE), ...get(DIFFERENCE),
    ...simd(F32X4_MUL), ...simd(F32X4_ADD), ...set(accumulator),
  ];
}

function advance(local: number, bytes: number): Code {
  return [...get(local), ...constant(bytes), I32_ADD, ...set(local)];
}

function lane(accumulator: number, index: number): Code {
  return [...get(accumulator), ...simd(EXTRACT_LANE), index];
}

function functionBody(step: (accumulator: number, offset: number) => Code): Code {
  const zero = [...simd(V128_CONST), ...Buffer.alloc(16)];
  const [first, second, third, fourth] = ACCUMULATORS;
  return [
    2, 3, I32, 5, V128, // two runs of locals: CURSOR to SCORES_END, then the accumulators and DIFFERENCE
    ...get(QUERY), ...get(STRIDE), I32_ADD, ...set(QUERY_END),
    ...get(SCORES), ...get(COUNT), ...constant(2), I32_SHL, I32_ADD, ...set(SCORES_END),
    ...get(SCORES), ...get(SCORES_END), I32_LT_U, ...IF,
    ...LOOP,
    ...ACCUMULATORS.flatMap((accumulator) => [...zero, ...set(accumulator)]),
    ...get(QUERY), ...set(CURSOR),
    ...LOOP,
    ...ACCUMULATORS.flatMap((accumulator, index) => step(accumulator, index * 16)),
    ...advance(VECTORS, STRIDE_GRAIN_BYTES),
    ...advance(CURSOR, STRIDE_GRAIN_BYTES),
    ...get(CURSOR), ...get(QUERY_END), I32_LT_U, ...BR_IF_INNERMOST,
    END,
    ...get(first), ...get(second), ...simd(F32X4_ADD),
    ...get(third), ...get(fourth), ...simd(F32X4_ADD),
    ...simd(F32X4_ADD), ...set(first),
    ...get(SCORES),
    ...lane(first, 0), ...lane(first, 1), F32_ADD, ...lane(first, 2), ...lane(first, 3), F32_ADD, F32_ADD,
    0x38, ALIGN_4, 0,
    ...advance(SCORES, 4),
    ...get(SCORES), ...get(SCORES_END), I32_LT_U, ...BR_IF_INNERMOST,
    END, END, END,
  ];
}

const sized = (content: Code): Code => [...leb(content.length), ...content];
const section = (id: number, content: Code): Code => [id, ...sized(content)];
const text = (value: string): Code => sized([...Buffer.from(value, "utf8")]);

/** The module's bytes: it imports `env.memory` and exports `dot` and `squaredDistance`. */
export function kernelBytes(): Uint8Array {
  const parameters = [I32, I32, I32, I32, I32];
  return Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
    ...section(1, [1, 0x60, ...sized(parameters), 0]),
    ...section(2, [1, ...text("env"), ...text("memory"), 0x02, 0x00, 1]),
    ...section(3, [2, 0, 0]),
    ...section(7, [2, ...text("dot"), 0x00, 0, ...text("squaredDistance"), 0x00, 1]),
    ...section(10, [2, ...sized(functionBody(dotStep)), ...sized(functionBody(distanceStep))]),
  ]);
}
