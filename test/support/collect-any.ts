import type { TokenCost } from "../../node/services/settlement/options.ts";

/** No least amount and no price: whatever brings anything is collected. */
export const collectAny: TokenCost[] = ["USDC", "LPT"].map((token) => ({ token, perNative: "0", leastAmount: "0" }));
