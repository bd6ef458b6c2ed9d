import { describeInterop } from "../suites/interop.ts";
import { usualWays } from "../support/interop/every-way.ts";

describeInterop(usualWays);
