import { describeKills } from "../../support/faults/kill-suite.ts";

describeKills(1, 4, 50);
// Who starts again finds what it sent still on its way, or not yet confirmed.
describeKills(1, 1, 800);
