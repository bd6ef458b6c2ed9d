import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { StatementSigner, Statements } from "@leat/sdk/protocol/statements.ts";
import type { ChannelView } from "../../chain/channel-view.ts";
import type { DecodedLog } from "../../chain/event-reader.ts";
import type { ClusterState, OperatorState } from "../../chain/registry-state.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { JudgeOwner } from "../../media-io/access/policy.ts";
import type { ViewerAccess } from "../../media-io/access/viewer-access.ts";
import type { AudienceStore } from "../../store/sql/audience-store.ts";
import type { JobStore } from "../../store/sql/job-store.ts";
import type { SelectionStore } from "../../store/sql/selection-store.ts";
import type { StreamStore } from "../../store/sql/stream-store.ts";
import type { Evidence } from "../faults/evidence-service.ts";
import type { Payee, Payer } from "../payment/index.ts";
import type { SessionHub } from "../session/hub.ts";
import type { NewsDesk } from "../webhooks/webhook-service.ts";

/** Who exists on chain, at confirmed depth. */
export interface ChainFacts {
  operatorOf(node: Address): Address | undefined;
  operator(operator: Address): OperatorState | undefined;
  cluster(cluster: bigint): ClusterState | undefined;
}

export interface BalancerComponents {
  readonly hub: Pick<SessionHub, "nodes" | "call" | "handle" | "onJoined" | "onLeft" | "onHeartbeat">;
  readonly chain: ChainFacts &
    Pick<ChannelView, "allotment" | "channelState" | "decimalsOf"> & {
      /** Hears every confirmed event; answers how to stop. */
      onEvent(listener: (log: Pick<DecodedLog, "eventName" | "args">) => void): () => void;
    };
  /** Pays nodes from the cluster's account. */
  readonly payer: Pick<
    Payer,
    | "openJob"
    | "owe"
    | "passed"
    | "waiting"
    | "release"
    | "forfeit"
    | "refuse"
    | "unpaid"
    | "prepay"
    | "settleNow"
    | "status"
  >;
  /** Is paid by buyers into the cluster's account. */
  readonly payee: Pick<
    Payee,
    | "openJob"
    | "resumeJob"
    | "earned"
    | "passed"
    | "waiting"
    | "mayWork"
    | "begun"
    | "closeJob"
    | "writeOff"
    | "requestVoucher"
    | "requestPrepay"
    | "status"
  >;
  /** Refuses a buyer by its public reputation (PAYER_REPUTATION_LOW); without it all are taken. */
  readonly judgeBuyer?: (buyer: Address) => Promise<void>;
  readonly audienceStore: AudienceStore;
  readonly streamStore: StreamStore;
  readonly jobStore: JobStore;
  readonly selectionStore: SelectionStore;
  /** Nodes that signed two different things about one work: given no job any more. */
  readonly evidence: Evidence;
  /** Decides who is told where a stream plays. */
  readonly access: ViewerAccess;
  readonly judgeOwner: JudgeOwner;
  /** Tells buyers what happens to their streams. */
  readonly news: NewsDesk;
  readonly statements: Statements;
  /** A balancer key of the cluster. */
  readonly signer: StatementSigner;
  readonly domain: Domain;
  readonly cluster: bigint;
  readonly clusterAccount: Address;
  /** Tokens that streams may be paid in. */
  readonly tokens: readonly Address[];
  /** What people call them. */
  readonly tokenNames: ReadonlyMap<Address, string>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}
