import { describeKills } from "../../support/faults/kill-suite.ts";

describeKills(1, 5);
