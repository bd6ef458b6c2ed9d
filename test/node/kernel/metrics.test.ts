import assert from "node:assert/strict";
import { createMetrics } from "@leat/node/kernel/metrics.ts";

describe("kernel/metrics", () => {
  it("renders counters, gauges and histograms as declared", async () => {
    const metrics = createMetrics({ processMetrics: false });
    metrics.counter({ name: "leat_test_done_total", help: "Done", labelNames: ["kind"] }).add(2, { kind: "a" });
    metrics.gauge({ name: "leat_test_open", help: "Open", collect: () => 7 });
    metrics.histogram({ name: "leat_test_wait_seconds", help: "Wait", buckets: [1, 2] }).observe(1.5);
    const text = await metrics.render();
    for (const line of [
      'leat_test_done_total{kind="a"} 2',
      "leat_test_open 7",
      'leat_test_wait_seconds_bucket{le="1"} 0',
      'leat_test_wait_seconds_bucket{le="2"} 1',
    ]) {
      assert.ok(text.split("\n").includes(line), `${line} in\n${text}`);
    }
    metrics.close();
  });

  it("gives the same metric when a name is declared twice", async () => {
    const metrics = createMetrics({ processMetrics: false });
    const options = { name: "leat_test_done_total", help: "Done" };
    metrics.counter(options).add();
    metrics.counter(options).add();
    assert.match(await metrics.render(), /^leat_test_done_total 2$/m);
  });

  it("shows the process and its event loop, and two registers live side by side", async () => {
    const one = createMetrics();
    const two = createMetrics();
    for (const metrics of [one, two]) {
      const text = await metrics.render();
      assert.match(text, /^process_cpu_seconds_total /m);
      assert.match(text, /^leat_process_event_loop_delay_p99_seconds \d/m);
      metrics.close();
      metrics.close();
    }
  });
});
