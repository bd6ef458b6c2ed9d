import { describeKills } from "../../support/faults/kill-suite.ts";

// Several tests rather than one: a suite that says nothing for minutes counts as stuck.
describeKills(4, 5, 50);
describeKills(2, 3, 800);
