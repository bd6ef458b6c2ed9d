import { join } from "node:path";
import type { LocalNetwork } from "./local-network.ts";
import type { DemoReport } from "./report.ts";
import { addressOfWallet, type WalletName, walletIndex } from "./wallets.ts";

/** What a person can do with a network that is up. */
export function describeNext(network: LocalNetwork): string {
  const config = join(network.place("buyer").dir, "config.json");
  const wallets = (Object.keys(walletIndex) as WalletName[])
    .filter((name) => name !== "coldBuyer")
    .map((name) => `  ${name.padEnd(13)} ${addressOfWallet(name)}`);
  return `
The network is up until Ctrl-C.

Make a stream (it prints two RTMP addresses and where it plays):
  scripts/leat stream create --ladder docs/examples/ladder.json --budget 1000000000 --config ${config}
Publish to the first address with OBS, or with the ffmpeg program:
  ffmpeg -re -i FILE -c copy -f flv ADDRESS
Watch it:
  ${network.clusterUrl}/play/STREAM
See who did what, why a node got a job, what was paid, what is owed:
  scripts/leat stream show STREAM --config ${config}
  scripts/leat stream receipts STREAM --config ${config}
  scripts/leat explain SELECTION --url ${network.clusterUrl}
  scripts/leat operator status --config ${join(network.place("node-b").dir, "config.json")}
  scripts/leat buyer status --cluster ${network.economy.cluster} --config ${config}

Wallets (development mnemonic, chain ${network.chain.chainId} at ${network.chain.rpcUrl}):
${wallets.join("\n")}
  ${"buyer".padEnd(13)} ${network.buyer}
`;
}

/** The report for people. */
export function describeReport(report: DemoReport): string {
  const { stream, renditions, jobs, payments, timings } = report;
  const lines = [
    "",
    `stream ${stream.slug}: ${stream.sourceCodec} ${stream.width}x${stream.height}, ${stream.framesSeen} frames`,
    `plays at ${report.playback.page}`,
    "",
    ...renditions.map(
      ({ name, codec, width, height, segments, frames, node }) =>
        `  ${name.padEnd(12)} ${codec.padEnd(5)} ${width === null ? "" : `${width}x${height}`}`.padEnd(32) +
        `${segments} segments, ${frames} frames, by ${node}`,
    ),
    "",
    ...jobs.map(
      (job) =>
        `  ${job.primitive.padEnd(10)} ${job.node}  ${job.segments} receipts, ${job.checked} checked, ` +
        `${job.failed} failed${job.proven ? "" : ", unproven"}  selection ${job.selectionReceipt}`,
    ),
    "",
    ...payments.map(
      ({ payer, payee, vouchered, collected, transaction }) =>
        `  ${payer} → ${payee}  vouchered ${vouchered}, collected ${collected}  ${transaction ?? ""}`,
    ),
    "",
    `ready after ${seconds(timings.readyMs)}, playable ${seconds(timings.firstRenditionPlayableMs ?? 0)} after the first ` +
      `frame, settled ${seconds(timings.settledMs - timings.publishedMs)} after the last`,
    report.ok ? "every frame of the source is in every rung" : "FAILED: a rung lacks frames of the source",
    "",
  ];
  return lines.join("\n");
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
