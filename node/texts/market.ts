import { type ErrorTexts, saidByThrower } from "./error-text.ts";

const publicSource = "name a source that anybody on the internet can reach";

/** What a cluster or a node answers who asks it for work, money or proof. */
export const marketTexts = {
  API_REFUSED: saidByThrower,
  API_UNREACHABLE: { todo: "look whether the cluster's balancer runs, and at purchases.clusterUrl" },
  API_REQUEST_HEADER_INVALID: {
    happened: "the Authorization header is none of ours",
    todo: "docs/protocol/second-client.md shows how a request is signed",
  },
  AUTH_MISSING: saidByThrower,
  AUTH_EXPIRED: saidByThrower,
  AUTH_REQUEST_MISMATCH: saidByThrower,
  AUTH_CLUSTER_WRONG: { todo: "look at purchases.cluster and purchases.clusterUrl: they name different clusters" },
  AUTH_REPLAYED: { todo: "sign each request anew" },
  AUTH_BUSY: saidByThrower,
  AUTH_SIGNATURE_INVALID: { todo: "docs/protocol/second-client.md shows how a request is signed" },
  AUTH_SIGNATURE_WRONG: { todo: "look at the key, and at the chain and escrow that it signed for" },
  AUTH_SIGNER_ENDED: { todo: 'allot it anew with "scripts/leat buyer allot", with the account\'s own key' },
  REQUEST_RATE_LIMITED: saidByThrower,
  IDEMPOTENCY_KEY_REUSED: { todo: "take a new one for new work" },
  IDEMPOTENCY_IN_PROGRESS: saidByThrower,
  IDEMPOTENCY_KEY_MISSING: saidByThrower,
  IDEMPOTENCY_KEY_INVALID: saidByThrower,
  STREAM_UNKNOWN: {
    // Anybody may ask where a stream plays: what its owner can do, who looks for one of its own says.
    happened: "there is no stream {stream}; look at the address, or ask whoever gave it",
  },
  FRONT_DOOR_KEY_MISSING: {
    happened: "the request has no stream key",
    todo: 'call /ingest/KEY, or /ingest with "Authorization: Bearer KEY"',
  },
  INGEST_KEYS_LIMITED: {
    happened: "too many wrong stream keys came from this address",
    todo: "correct the key, and wait a minute",
  },
  STREAM_KEY_UNKNOWN: {
    happened: "no stream is published with this key",
    todo: 'make another with "scripts/leat stream rotate-key"',
  },
  STREAM_ENDED: {
    happened: "the stream {stream} has ended",
    todo: "make another: one that ended does not begin again",
  },
  STREAM_CREDIT_EXHAUSTED: {
    happened: "the stream {stream} ended: nobody paid for its work in time",
    todo: 'look at "scripts/leat buyer status": is the agent up, and is there a reserve?',
  },
  STREAM_SIGNER_SPENT: {
    happened: "the stream {stream} ended: the key that signs for the account was allotted no more",
    todo: 'allot it more with "scripts/leat buyer allot"',
  },
  STREAM_RESERVE_SPENT: {
    happened: "the stream {stream} ended: the reserve of its buyer is used up",
    todo: 'put money in with "scripts/leat buyer deposit"',
  },
  STREAM_LADDER_INVALID: {
    happened: "the ladder cannot be sold: {reason}",
    todo: "docs/examples/ladder.json is one that can",
  },
  STREAM_TOKEN_UNKNOWN: {
    happened: "this cluster takes no payment in {token}",
    todo: "name USDC or LPT with --token, or the address of a token that its network file has",
  },
  PUBLISH_LEASE_HELD: {
    happened: "another publisher sent to the stream {stream} {ageMs} ms ago",
    todo: "stop it first",
  },
  PUBLISH_LEASE_LOST: {
    happened: "another publisher took the stream {stream} over, or the key was revoked with which it was published",
    todo: "let one program publish with a key",
  },
  PUBLISH_NODE_WRONG: {
    happened: "another node takes the stream {stream} in",
    todo: "publish to the first of the ingest addresses",
  },
  BUYER_UNFUNDED: {
    happened:
      "the reserve for this cluster has {reserveExact|exact} whole tokens of {token}, and {neededExact|deposit} are needed to begin",
    todo: 'put money in with "scripts/leat buyer deposit AMOUNT TOKEN --cluster ID"',
  },
  BUYER_AGENT_ABSENT: {
    happened: "nobody is connected who signs vouchers for {buyer}",
    todo: 'start the buyer\'s agent, or allot a signer with "scripts/leat buyer allot"',
  },
  BUYER_REPUTATION_LOW: {
    happened: "vouchers of {buyer} bounced more often than this cluster puts up with",
    todo: '"scripts/leat explain ACCOUNT --url CLUSTER" names each; pay what is open',
  },
  PRICE_ABOVE_CEILING: {
    happened:
      "the cheapest node asks {price|exact} whole tokens for a unit of {unit}, above your ceiling of {ceiling|exact}",
    todo: "raise --ceiling, or wait for a cheaper node",
  },
  PLACEMENT_NOBODY: {
    happened: "no node of this cluster can take the work now ({primitive})",
    todo: "ask again in a minute: nodes may be full, too dear, elsewhere or away",
  },
  JOB_UNKNOWN: { happened: "there is no job {job}", todo: "take its id from leat stream show" },
  JOB_NOT_YOURS: { happened: "the job {job} is another's", todo: "ask as the account that made the stream" },
  OPERATOR_UNKNOWN: {
    happened: "no operator has the node key {node}",
    todo: 'join with "scripts/leat operator join", or add the key with "scripts/leat operator add-node"',
  },
  OPERATOR_NOT_MEMBER: {
    happened: "the operator {operator} is no member of this cluster",
    todo: "accept the cluster on chain, or wait until its owner approves",
  },
  CANDIDATE_UNKNOWN: {
    happened: "this node stands in no table with the root {root}",
    todo: "take the root from a decision of the last hour",
  },
  SELECTION_UNKNOWN: {
    happened: "the balancer knows no decision {id}",
    todo: 'take one from "scripts/leat stream show STREAM"',
  },
  PLAYBACK_KEY_INVALID: saidByThrower,
  PLAYBACK_KEY_PRIVATE: saidByThrower,
  PLAYBACK_KEY_TWICE: { todo: "give each a kid of its own" },
  PLAYBACK_KEY_ALGORITHM_WRONG: saidByThrower,
  PLAYBACK_WEBHOOK_URL_INVALID: saidByThrower,
  PLAYBACK_WEBHOOK_SCHEME_REFUSED: {
    happened: "nobody is asked about viewers by {scheme}",
    todo: "give an https address, or have the cluster set access.allowPrivateWebhooks for a network of one's own",
  },
  PLAYBACK_WEBHOOK_ADDRESS_REFUSED: {
    happened: "{host} is in a private network, on a node's own machine, or nobody's address: no viewer would get in",
    todo: "give one that anybody on the internet can reach, or have the cluster set access.allowPrivateWebhooks",
  },
  PLAYBACK_TOKEN_MISSING: {
    happened: "the stream is not public",
    todo: "ask its owner for a token and add ?token=TOKEN to the address",
  },
  PLAYBACK_TOKEN_INVALID: {
    happened: "the token cannot be used: {what}",
    todo: "docs/buyers/who-may-watch.md shows one that can",
  },
  PLAYBACK_TOKEN_KEY_UNKNOWN: { happened: "the stream has no key of the token's kid", todo: "sign with a present one" },
  PLAYBACK_TOKEN_SIGNATURE_WRONG: { happened: "another key signed the token", todo: "ask the owner for a new one" },
  PLAYBACK_TOKEN_EXPIRED: { happened: "the token has ended", todo: "ask the owner for a new one" },
  PLAYBACK_TOKEN_EARLY: { happened: "the token is not valid yet", todo: "look at the clocks of both machines" },
  PLAYBACK_TOKEN_LIFETIME_LONG: {
    happened: "the token stands for {seconds} s, and {most} s are allowed",
    todo: "sign a shorter one",
  },
  PLAYBACK_TOKEN_STREAM_WRONG: { happened: "the token is for another stream", todo: "ask the owner for a new one" },
  PLAYBACK_TOKEN_ADDRESS_WRONG: {
    happened: "the token is bound to another address",
    todo: "ask the owner for a new one",
  },
  PLAYBACK_TOKEN_ORIGIN_WRONG: {
    happened: "the token is bound to the pages of another origin",
    todo: "ask the owner for a new one",
  },
  PLAYBACK_WEBHOOK_REFUSED: { happened: "the owner's server said no", todo: "ask the owner" },
  PLAYBACK_WEBHOOK_UNREACHABLE: {
    happened: "the owner's server gave no answer that can be understood",
    todo: "ask again; its owner should look at it",
  },
  PLAYBACK_WEBHOOK_BUSY: { happened: "too many viewers wait for the owner's server", todo: "ask again" },
  STREAM_PULLS_EXCEEDED: {
    happened: "this cluster pulls {limit} streams of one buyer at once",
    todo: 'end one with "scripts/leat stream end STREAM"',
  },
  PULL_URL_INVALID: { happened: "the source's address cannot be read", todo: "write it as SCHEME://HOST:PORT/PATH" },
  PULL_PASSPHRASE_INVALID: {
    happened: "the passphrase in the source's address is none of SRT's",
    todo: "write one of 10 to 79 bytes, or none",
  },
  PULL_SCHEME_REFUSED: {
    happened: "sources of this scheme are not pulled",
    todo: "docs/buyers/publish-a-stream.md lists those that are",
  },
  PULL_ADDRESS_LOOPBACK: { happened: "the source's address is the pulling machine itself", todo: publicSource },
  PULL_ADDRESS_PRIVATE: { happened: "the source's address is one of a private network", todo: publicSource },
  PULL_ADDRESS_SHARED: { happened: "the source's address is shared behind a carrier", todo: publicSource },
  PULL_ADDRESS_LINK_LOCAL: { happened: "the source's address holds on one link alone", todo: publicSource },
  PULL_ADDRESS_MULTICAST: { happened: "the source's address is a group's", todo: publicSource },
  PULL_ADDRESS_MAPPED: { happened: "the source's address is IPv4 written as IPv6", todo: "write it as IPv4" },
  PULL_ADDRESS_NAT64: { happened: "the source's address is IPv4 behind a translator", todo: "write it as IPv4" },
  PULL_ADDRESS_RESERVED: { happened: "the source's address is nobody's", todo: publicSource },
  PULL_NAME_REFUSED: {
    happened: "the source's name has no address, or one that is not public",
    todo: publicSource,
  },
  PULL_TIMEOUT: { happened: "the source's name was not found in time", todo: "ask again; look at its name server" },
  PULL_PULLS_EXCEEDED: { happened: "the nodes pull as many sources as they can", todo: "ask again in a minute" },
  PULL_DISABLED: { happened: "the nodes pull nothing", todo: "publish the stream, or ask another cluster" },
  RESTREAM_PASSPHRASE_INVALID: {
    happened: "the passphrase in the address of the target {target} is none of SRT's",
    todo: "write one of 10 to 79 bytes, or none",
  },
  RESTREAM_URL_INVALID: {
    happened: "the address of the target {target} is none that a stream can be sent on to",
    todo: "write it as rtmp://HOST/APP/KEY, rtmps: or srt://HOST:PORT?streamid=ID",
  },
  RESTREAM_SCHEME_REFUSED: {
    happened: "streams are not sent on by {scheme}:, as the address of the target {target} wants",
    todo: "docs/buyers/send-on.md lists those that are",
  },
  RESTREAM_NAME_TWICE: { happened: "two targets are called {name}", todo: "give each its own name" },
  STORED_JOB_INVALID: saidByThrower,
  STORED_JOB_TOO_LONG: { happened: "{seconds} s are declared, and {most} s are taken", todo: "send it in pieces" },
  STORED_JOB_TOO_LARGE: { happened: "the file has {sizeBytes} bytes, and {most} are taken", todo: "send it in pieces" },
  STORED_JOB_LENGTH_MISSING: { happened: "the request does not say its length", todo: "send Content-Length" },
  STORED_JOB_CODEC_UNSOLD: { happened: "this node does not sell {codec}", todo: "take the rung out, or ask another" },
  STORED_JOB_BUSY: { happened: "the node encodes as much as it can", todo: "ask again in a minute" },
  STORED_JOB_UNREADABLE: { happened: "the file cannot be read: {reason}", todo: "look whether it was cut off" },
  STORED_JOB_BEYOND_DECLARED: {
    happened: "the file has {foundPixels} pixels to encode, and {declaredPixels} were declared",
    todo: "declare what it has",
  },
  STORED_JOB_TIMED_OUT: { happened: "the work took longer than {limitMs} ms", todo: "send it in pieces" },
  STORED_JOB_FAILED: { happened: "the work failed: {reason}", todo: "send it again, or to another node" },
  STORED_JOB_CUT_OFF: { happened: "the upload ended before its length", todo: "send it again" },
  STORED_JOB_ABANDONED: { happened: "nobody waited for the answer", todo: "send it again and wait" },
  STORED_JOB_FILE_UNKNOWN: { happened: "there is no such file, or no longer", todo: "fetch files within the hour" },
  WEBHOOK_ENDPOINT_UNKNOWN: {
    happened: "you have no endpoint {endpoint}",
    todo: '"scripts/leat webhook list" shows yours',
  },
  WEBHOOK_ENDPOINTS_MANY: saidByThrower,
  WEBHOOK_ENDPOINTS_FULL: {
    happened: "the cluster tells as many servers of events as it will",
    todo: "ask whoever runs it to raise webhooks.endpoints",
  },
  WEBHOOK_URL_INVALID: { todo: "write it as https://HOST/PATH" },
  WEBHOOK_SCHEME_REFUSED: {
    happened: "events are not sent by {scheme}",
    todo: "give an https address, or have the cluster set webhooks.allowPrivate for a network of one's own",
  },
  WEBHOOK_ADDRESS_REFUSED: {
    happened: "{host} is in a private network, on the balancer's own machine, or nobody's address",
    todo: "give one that anybody on the internet can reach, or have the cluster set webhooks.allowPrivate",
  },
  WATCH_PAYEE_WRONG: { happened: "{from} left a voucher of {payee}", todo: "leave vouchers of your own node alone" },
  WATCH_PAYEE_NOT_SERVED: {
    happened: "this watchtower does not serve {payee}",
    todo: "name another, or ask its owner",
  },
  WATCH_VOUCHER_STALE: {
    happened: "the watchtower holds a total of {held}, and {offered} was left",
    todo: "leave the newest voucher",
  },
  WATCH_NOTHING_OPEN: { happened: "nothing is open on the channel {channel}", todo: "leave it alone" },
  WATCH_TOO_LITTLE: {
    happened: "{open} base units are open on the channel {channel}, below the {least} that are worth their gas",
    todo: "leave a later voucher",
  },
  WATCH_FULL: { happened: "the watchtower holds {held} channels of {most}", todo: "name another" },
  WATCH_BUSY: { happened: "{from} asks the watchtower too often", todo: "ask again in a minute" },
  WATCH_REFUSED: { happened: "the edge answered {status}: {reason}", todo: "look whether the stream is live" },
  WATCH_UNREACHABLE: { happened: "no answer from {url}", todo: "look whether the cluster runs" },
  WATCH_NOWHERE: { happened: "the stream plays nowhere: it is {state}", todo: "publish to it first" },
} satisfies ErrorTexts;
