import { type ErrorTexts, saidByThrower } from "./error-text.ts";

/** Settings, files, keys, and what a node needs before it can start. */
export const settingTexts = {
  APP_NETWORK_MISSING: saidByThrower,
  APP_RPC_MISSING: saidByThrower,
  APP_ROLES_MISSING: saidByThrower,
  APP_CLUSTER_UNKNOWN: {
    happened: "the registry of this network has no cluster {cluster}",
    todo: 'look at sales.cluster and at --network: "scripts/leat config print" shows both and where they come from',
  },
  PRICE_LIST_TWICE: {
    happened: "two price lists are for the token {token}",
    todo: "leave one of them in sales.prices",
  },
  PRICE_LIST_TOKEN_UNKNOWN: {
    happened: "a price list is for {token}, which the network file does not name",
    todo: "name a token of the network by its symbol, or correct the address",
  },
  CONFIG_KEY_UNKNOWN: saidByThrower,
  CONFIG_WORD_EXCESS: saidByThrower,
  CONFIG_VALUE_INVALID: saidByThrower,
  CONFIG_VALUE_MISSING: saidByThrower,
  CONFIG_FILE_UNREADABLE: { todo: "correct the file, or name another" },
  CONFIG_NETWORK_UNKNOWN: {
    happened: "no network {name} comes with this program",
    todo: "name one of {known}, or a file: ./{name}.json",
  },
  NETWORK_INVALID: saidByThrower,
  NETWORK_NOT_DEPLOYED: saidByThrower,
  DEPLOYMENT_INVALID: {
    happened: "{field} of the deployment is {found}, wanted is {wanted}",
    todo: 'take the file that "scripts/deploy" wrote',
  },
  FILE_UNUSABLE: {
    happened: "{path} cannot be used ({reason|file})",
    todo: "mend that and try again",
  },
  KEY_FILE_MISSING: saidByThrower,
  KEY_FILE_EXISTS: {
    happened: "{path} is there already, and a key is never replaced",
    todo: 'name another --file, or look at this one with "scripts/leat keys show --file {path}"',
  },
  KEY_FILE_OPEN_TO_OTHERS: saidByThrower,
  KEY_FILE_INVALID: saidByThrower,
  KEY_FILE_UNREADABLE: {
    happened: "the node key at {path} cannot be read ({reason|file})",
    todo: "name the file of a key that this user may read",
  },
  KEY_FILE_UNWRITABLE: {
    happened: "no node key can be written to {path} ({reason|file})",
    todo: "name another --file in a folder that this user may write to",
  },
  CERTIFICATE_INCOMPLETE: {
    happened: "the settings name a certificate without its other half: {missing} is missing",
    todo: "name both files, or neither for plain HTTP",
  },
  CERTIFICATE_FILE_UNREADABLE: {
    happened: "{file} cannot be read ({reason|file})",
    todo: "correct the path, or let this user read the file",
  },
  CERTIFICATE_INVALID: {
    happened: "{file} holds no certificate in PEM",
    todo: "name the full chain that your certificate authority gave out",
  },
  CERTIFICATE_KEY_INVALID: {
    happened: "{file} holds no private key in PEM that can be used without a password",
    todo: "name the key that belongs to the certificate",
  },
  CERTIFICATE_KEY_MISMATCH: {
    happened: "the key in {keyFile} is not that of the certificate in {certFile}",
    todo: "name two files of the same certificate",
  },
  HTTP_PORT_BUSY: saidByThrower,
  HTTP_ADDRESS_UNUSABLE: saidByThrower,
  RTMP_PORT_BUSY: {
    happened: "another program listens on {host} port {port}",
    todo: "stop it, or set --rtmp.port to a free one",
  },
  RTMP_ADDRESS_UNUSABLE: {
    happened: "cannot listen on {host} port {port} ({reason})",
    todo: "set --rtmp.host to an address of this machine, and a port above 1023 without root",
  },
  SRT_PORT_BUSY: {
    happened: "another program has the UDP port {port} of {host}",
    todo: "stop it, or set --srt.port to a free one",
  },
  SRT_ADDRESS_UNUSABLE: {
    happened: "the UDP port {port} of {host} cannot be had ({reason})",
    todo: "set --srt.host to an IP address of this machine",
  },
  SRT_THREAD_LOST: {
    happened: "the thread that holds libsrt ended before it listened",
    todo: "see the log for why, or set --srt.enabled false",
  },
  WEBRTC_PORT_BUSY: {
    happened: "another program has the UDP port {port} of {host}",
    todo: "stop it, or set --webrtc.port to a free one",
  },
  WEBRTC_ADDRESS_UNUSABLE: {
    happened: "the UDP port {port} of {host} cannot be had ({reason})",
    todo: "set --webrtc.host to an address of this machine",
  },
  WEBRTC_SECRET_UNREADABLE: {
    happened: "the secret of the TURN servers cannot be read from {file}",
    todo: "set --webrtc.turnSecretFile to a file that the node may read",
  },
  WEBRTC_SECRET_EMPTY: {
    happened: "the secret of the TURN servers in {file} is empty",
    todo: "write the secret that the TURN servers know (static-auth-secret) into that file",
  },
  WIRE_PORT_BUSY: {
    happened: "another program listens on {listen}",
    todo: "stop it, or set --wire.listen to a free port",
  },
  WIRE_KEY_UNSUPPORTED: {
    happened: "a peer's identity is a key of type {type}, and ours are secp256k1",
    todo: "take the address from the peer's own node",
  },
  WIRE_DIAL_FAILED: {
    happened: "no connection to the node {peer}",
    todo: "look whether it runs and whether its port can be reached from here",
  },
  WIRE_ADDRESS_MISSING: {
    happened: "no address of the node {peer} is known",
    todo: "give one that ends in /p2p/ and the peer id",
  },
  WEB_PAGES_MISSING: saidByThrower,
  STORE_LOCKED: {
    happened: "another process uses the data folder {location}",
    todo: "stop that node first: two with one store would sign against each other",
  },
  STORE_DAMAGED: {
    happened: "the store in {location} is damaged ({reason})",
    todo: "bring the folder back from a copy of this node's last stop, or make another key and rotate to it",
  },
  STORE_UNUSABLE: {
    happened: "the data folder {location} cannot be used ({reason|file})",
    todo: "let this user write there, make room where its disk is full, or set --node.dataDir",
  },
  STORE_WRITE_FAILED: {
    happened: "nothing more can be written in {location} ({reason|file})",
    todo: "make room on its disk: the node goes on by itself, and nothing that was acknowledged is lost",
  },
  STORE_CLOSED: { happened: "the store in {location} was closed while it was needed", todo: "start the node again" },
  STORE_RECEIPT_DIFFERENT: {
    happened: "another receipt was signed for {key} before",
    todo: "start the node with the data folder that it had; signing twice would cost its stake",
  },
  STORE_NOT_OF_KEY: saidByThrower,
  SQL_OPEN_FAILED: {
    happened: "the database {location} does not open ({reason})",
    todo: "look at its path or address, and whether the server runs",
  },
  SQL_IN_USE: {
    happened: "process {pid} uses the database in {location}",
    todo: "stop it first, or give this balancer a folder of its own",
  },
  SQL_STATEMENT_FAILED: {
    happened: "the database refused a statement ({reason})",
    todo: "look at the room on its disk and at its own log",
  },
  SQL_CLOSED: { happened: "the database was closed while it was needed", todo: "start the node again" },
  SQL_MIGRATION_UNKNOWN: {
    happened: "a newer program wrote this database: it has the migration {name}",
    todo: "run that version or a later one",
  },
  KERNEL_START_TWICE: { happened: "the node was started while it ran", todo: "stop it first" },
  KERNEL_STOPPED_WHILE_STARTING: {
    happened: "the node was told to stop before it was up, ahead of {before}",
    todo: "start it again",
  },
  KERNEL_QUEUE_CLOSED: { happened: "work came while the node stopped", todo: "ask again when it is up" },
  KERNEL_QUEUE_ITEM_TOO_LARGE: {
    happened: "one item has {sizeBytes} bytes, and a queue holds {maxBytes}",
    todo: "send it in smaller pieces",
  },
  KERNEL_TASKS_CLOSED: { happened: "work came while the node stopped", todo: "ask again when it is up" },
  TOKEN_COST_TWICE: {
    happened: "settlement.tokenCosts names the token {token} twice",
    todo: "leave one entry for it",
  },
  TOKEN_COST_TOO_FINE: saidByThrower,
  TOKEN_COST_MISSING: saidByThrower,
  TOKEN_COST_TOKEN_SILENT: saidByThrower,
  SESSION_CLOCK_WRONG: saidByThrower,
} satisfies ErrorTexts;
