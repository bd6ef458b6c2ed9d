import { describeInterop } from "../suites/interop.ts";
import { longWays } from "../support/interop/every-way.ts";

describeInterop(longWays);
