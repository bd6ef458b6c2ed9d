import { type ErrorTexts, saidByThrower } from "./error-text.ts";

/** What the commands themselves refuse: `leat`, `scripts/up` and `scripts/deploy`. */
export const commandTexts = {
  CLI_USAGE: { todo: "add --help to see what can be said" },
  CLI_FILE_UNREADABLE: {
    happened: "the {name} file {path} cannot be read: {reason|file}",
    todo: "correct the path, or the file",
  },
  CLI_FILE_INVALID: { happened: "the {name} file {path} does not fit: {reason}", todo: "{page} shows its form" },
  CLI_OUTPUT_UNWRITABLE: {
    todo: "make room, or write it elsewhere; what was to be done may have been done all the same",
  },
  CLI_RPC_MISSING: saidByThrower,
  CLI_CLUSTER_MISSING: saidByThrower,
  CLI_PROOF_UNREADABLE: saidByThrower,
  CLI_PROOF_OF_ANOTHER: { todo: "name the proof's own key with --signer, or have the right one proved" },
  CLI_CAP_SPENT: {
    happened:
      "{collected|token} {symbol} were collected on the channel already, and a cap of {cap|token} counts them: nothing could be signed",
    todo: "name a larger --cap, what was paid included",
  },
  CLI_EARNINGS_SHORT: {
    happened: "the escrow holds {found|token} {symbol} of proceeds for {account}, and {wanted|token} were named",
    todo: 'name a smaller amount, or the key of the beneficiary, whose they are; proceeds that are sent at once are in its wallet ("scripts/leat operator status" says who it is)',
  },
  CLI_PAYEE_UNKNOWN: {
    happened:
      "{payee} is no operator's node, so nobody could collect what is reserved for it, and it comes back by a thaw alone",
    todo: 'correct --payee ("leat buyer" takes a cluster too, by --cluster); --force reserves all the same',
  },
  CLI_ENDPOINT_INVALID: {
    happened: "{endpoint} is no address of a node: wanted is {wanted}",
    todo: "name where this node answers, such as https://video.example",
  },
  CLI_TERMS_INVALID: {
    happened: "{terms} is no address of a cluster's terms: wanted is {wanted}",
    todo: "name where they are to be read, such as https://video.example/terms",
  },
  CLI_EXPLAIN_UNREACHABLE: { todo: "look at --url: the cluster's balancer answers there" },
  CLI_EXPLAIN_REFUSED: { todo: "look at the id, and whether --url is a balancer" },
  CLI_EXPLAIN_INPUT_INVALID: { todo: 'take an id from "scripts/leat stream show STREAM"' },
  CLI_FAULT_UNREADABLE: { todo: "docs/protocol/faults.md shows the form of the file" },
  CLI_INTERRUPTED: saidByThrower,
  UP_OPTION_UNKNOWN: { happened: "there is no option {option}", todo: '"scripts/up --help" lists all' },
  UP_OPTION_INVALID: { happened: "{option} is {found}", todo: "it takes {wanted}" },
  UP_INPUT_MISSING: { happened: "there is no file {file}", todo: "correct --input" },
  UP_RPC_MISSING: { happened: "the file of the network {network} names no endpoint", todo: "set rpcUrls in it" },
  UP_PORT_BUSY: {
    happened: "another program listens on port {port}, which {service} wants",
    todo: "stop it, or give another --port-base",
  },
  UP_PROCESS_EXITED: {
    happened: "the process {process} ended ({status}); its last words: {log}",
    todo: "its log under logs in the data folder says more",
  },
  UP_DEMO_FAILED: { happened: "the demo failed: {reason}", todo: "the logs in the data folder say more" },
  UP_DATA_IN_USE: {
    happened: "process {pid} runs a network in {dir}",
    todo: "stop it, or give another --data and --port-base",
  },
  UP_DATA_UNUSABLE: {
    happened: "{dir} cannot be used ({reason|file})",
    todo: "let this user write there, or give another --data",
  },
  UP_DATA_BROKEN: saidByThrower,
  DEPLOY_OPTION_UNKNOWN: { happened: "there is no option {option}", todo: '"scripts/deploy --help" lists all' },
  DEPLOY_OPTION_INVALID: { happened: "{option} is {found}", todo: "it takes {wanted}" },
  DEPLOY_OPTION_MISSING: { happened: "{option} is not given", todo: "give {wanted}" },
  DEPLOY_FILE_EXISTS: {
    happened: "{path} is there already, and a network's file is never written over",
    todo: "name another --out, or move it away",
  },
  DEPLOY_FILE_UNWRITABLE: { happened: "{path} cannot be written ({reason|file})", todo: "name another --out" },
  DEPLOY_ALREADY_DEPLOYED: {
    happened: "the file of {name} has a deployment already",
    todo: "use it with leat start --network, or name a file without one",
  },
  DEPLOY_IN_USE: { happened: "process {pid} deploys with {path}", todo: "wait until it is done" },
  DEPLOY_RPC_MISSING: saidByThrower,
  DEPLOY_RPC_UNREACHABLE: {
    happened: "no endpoint answers {method} ({reason})",
    todo: "correct LEAT_CHAIN_RPC_URLS or rpcUrls in the network file, and call this again: it goes on where it was",
  },
  DEPLOY_CHAIN_WRONG: {
    happened: "the endpoint is of chain {found}, and the network file is of chain {wanted}",
    todo: "correct one of them",
  },
  DEPLOY_TOKEN_WRONG: {
    happened: "{token}, which the network file calls {name}, is not that token: {reason}",
    todo: "correct the address",
  },
  DEPLOY_GAS_SHORT: {
    happened: "the deployer {account} has {foundWei|ether} ether, and up to {wantedWei|ether} are needed",
    todo: "send the rest to it",
  },
  DEPLOY_FEES_HIGH: {
    happened: "gas costs {feeWei|gwei} gwei, and {step} may be signed at {ceilingWei|gwei} at most",
    todo: "call again with the same options when it is cheaper, or with a higher --max-fee-gwei: it goes on where it is",
  },
  DEPLOY_NOT_CONFIRMED: {
    happened: "nothing was deployed: nobody said yes",
    todo: "answer y, or give --yes where nobody can answer",
  },
  DEPLOY_JOURNAL_INVALID: {
    happened: "the journal {path} cannot be used ({reason|file})",
    todo: "bring it back from a copy; without it, begin anew with another --out",
  },
  DEPLOY_PLAN_CHANGED: saidByThrower,
  DEPLOY_NONCE_TAKEN: saidByThrower,
  DEPLOY_REVERTED: {
    happened: "{step} failed on chain in {transaction}",
    todo: "look at it in an explorer; call this again when its cause is gone",
  },
  DEPLOY_REFUSED: {
    happened: "{step} was refused: {reason}",
    todo: "correct the cause and call this again: it goes on",
  },
  DEPLOY_NOT_CONFIRMED_IN_TIME: {
    happened: "{step} is in no block yet ({transaction}), although its fee was raised",
    todo: "call this again later: it goes on and sends nothing twice",
  },
  DEPLOY_CHECK_FAILED: {
    happened: "{what} is {found} on chain, wanted is {wanted}",
    todo: "do not use this deployment; begin anew with another --out",
  },
} satisfies ErrorTexts;
