import { type ErrorTexts, saidByThrower } from "./error-text.ts";

/** The chain, accounts, wallets, amounts, signatures and proofs. */
export const chainTexts = {
  CHAIN_UNREACHABLE: {
    happened: "no endpoint of the chain answers {method} ({reason})",
    todo: "look at chain.rpcUrls, and name a second endpoint there",
  },
  CHAIN_CALL_REFUSED: {
    happened: "the chain's endpoint refuses {method}: {reason}",
    todo: "ask another one by chain.rpcUrls if that looks wrong",
  },
  CHAIN_WRONG: {
    happened: "the endpoint is of chain {found}, and the network file is of chain {wanted}",
    todo: "correct chain.rpcUrls or name another --network",
  },
  CHAIN_REVERTED: {
    happened: "the contract refused {method}: {reason}",
    todo: "docs/protocol/codes.md says why each is refused",
  },
  CHAIN_GAS_MISSING: {
    happened: "{address} has too little ether for gas: {balance|ether}, and {needed|ether} may be needed",
    todo: "send some to it",
  },
  CHAIN_GAS_BUDGET: {
    happened:
      "today's gas would pass the node's budget: {committed|ether} of {budget|ether} ether are spent, {needed|ether} more are needed",
    todo: "wait for tomorrow, or raise gas.dailyBudgetEther",
  },
  CHAIN_FEES_HIGH: {
    happened: "gas costs {baseFee} wei now, above the node's ceiling of {ceiling}",
    todo: "wait, or raise gas.maxFeeGwei",
  },
  CHAIN_NOT_CONFIRMED: {
    happened: "the transaction {transaction} is in no block yet",
    todo: "look at it in an explorer before you send another",
  },
  CHAIN_DISPLACED: {
    happened: "another transaction took the place of {transaction}",
    todo: "let nothing else send from a node's key",
  },
  CHAIN_REPLACED: {
    happened:
      "the chain ends at block {head}, before block {checkpoint} that was read already: it is another chain, or it was begun anew",
    todo: "name the right endpoint, or give this node a new data folder",
  },
  CLIENT_ACCOUNT_MISSING: { happened: "no account acts here", todo: "give --config or --node.keyFile" },
  CLIENT_REVERTED: {
    happened: "the contract refused {method}: {reason}",
    todo: "docs/protocol/codes.md says why each is refused",
  },
  CLIENT_DISPLACED: {
    happened: "{method} did not happen: another transaction of the account, {by}, took the place of {transaction}",
    todo: "if nobody meant it to, look who else has this key; else repeat the command, and let nothing else send by this key meanwhile",
  },
  CLIENT_GAS_MISSING: {
    happened: "{account} has too little of the chain's own token to pay for {method}: nothing was sent",
    todo: "send some to it, and repeat the command",
  },
  CLIENT_KEY_BUSY: {
    happened: "another transaction by the key of {account} came in between: {method} was not sent",
    todo: "repeat the command once the other one is done",
  },
  CLIENT_UNCONFIRMED: {
    happened: "{method} was sent as {transaction} and is in no block yet",
    todo: "look that transaction up before you repeat the command: it may still happen, and then both would",
  },
  CLIENT_BALANCE_SHORT: {
    happened: "the account has {found|token} {symbol}, and {wanted|token} are needed",
    todo: "send more to it, or name a smaller amount",
  },
  CLIENT_POOL_SHORT: {
    happened:
      "the escrow holds {found|token} {symbol} of this account that are promised to nobody, and {wanted|token} are needed",
    todo: "name a smaller amount; what is reserved comes back by a thaw (leat buyer thaw, leat cluster thaw)",
  },
  CLIENT_RESERVE_SHORT: {
    happened: "{found|token} {symbol} are reserved there and do not thaw yet, and {wanted|token} were named",
    todo: "name a smaller amount",
  },
  CLIENT_STAKE_SHORT: {
    happened: "{found|token} {symbol} stand at stake and do not thaw yet, and {wanted|token} were named",
    todo: "name a smaller amount",
  },
  CLIENT_JOIN_SHORT: {
    happened: "an operator joins this network with at least {wanted|token} {symbol}, and {found|token} were named",
    todo: "name that much or more",
  },
  CLIENT_CAP_FELL: {
    happened:
      "the key may sign up to {held|token} {symbol} in all, and {wanted|token} is less: a payee relies on what it may",
    todo: "name that much or more; to lower it, revoke the key and wait for one thaw",
  },
  CLIENT_THAW_RUNNING: {
    happened: "what thaws is not free before {endsAt|time}",
    todo: "come back then",
  },
  CLIENT_THAW_NONE: {
    happened: "nothing thaws there",
    todo: "thaw begins it; until then there is nothing to release or to cancel",
  },
  CLIENT_NODE_KEY_MISSING: { happened: "no node key was given", todo: "make one with leat keys create" },
  CLIENT_NODE_UNKNOWN: {
    happened: "no operator has the node key {node}",
    todo: "add it first with leat operator add-node",
  },
  CLIENT_OPERATOR_UNKNOWN: {
    happened: "{account} is no operator",
    todo: "correct its address; if it is your own account, join first or give the one that joined by --key",
  },
  CLIENT_TOKEN_UNKNOWN: {
    happened: "this network has no token {token}",
    todo: "name USDC or LPT, where the network file has them",
  },
  CLIENT_RECIPIENT_KEYLESS: {
    happened: "{recipient} is {what}: nobody could take out what is sent there",
    todo: "name an account or a wallet that somebody has the key of: nothing was sent",
  },
  CLIENT_CONTRACT_MISSING: {
    happened: "this network's file has no contract {contract}",
    todo: 'take the file that "scripts/deploy" of this version wrote',
  },
  CLIENT_CONTRACT_ABSENT: {
    happened: "there is no contract at {address}, where the network file has {contract}",
    todo: "compare the file with the one that the network's operator gives out: nothing was sent",
  },
  SIGNER_UNKNOWN: {
    happened: "{found} cannot sign",
    todo: "give a viem account or wallet client, or an ethers signer",
  },
  SIGNER_ACCOUNT_MISSING: {
    happened: "the wallet has no account",
    todo: "unlock it, or choose one",
  },
  SIGNER_CANNOT_SIGN: { happened: "{address} cannot sign typed data", todo: "choose an account that holds its key" },
  SIGNER_CANNOT_SEND: {
    happened: "{address} signs but has no connection to the chain",
    todo: "give a wallet client or a signer with a provider",
  },
  SIGNER_CHAIN_WRONG: saidByThrower,
  SIGNER_DECLINED: { happened: "{address} did not sign", todo: "confirm it in the wallet" },
  SIGNER_SIGNATURE_WRONG: {
    happened: "the wallet signed as {found} and not as {wanted}",
    todo: "choose the right account in it",
  },
  TOKEN_DOMAIN_UNKNOWN: saidByThrower,
  ADDRESS_CHECKSUM_WRONG: {
    happened: "{value} has a wrong digit: its letters in upper and lower case are a checksum, and do not fit it",
    todo: "copy the address anew from where it came from",
  },
  HEX_INVALID: {
    happened: "{value} is no hexadecimal text of the length that is wanted",
    todo: "write 0x and two digits for each byte",
  },
  UNITS_AMOUNT_INVALID: { happened: "{text} is no amount", todo: "write whole tokens such as 2 or 0.50" },
  UNITS_AMOUNT_TOO_FINE: {
    happened: "{text} has more digits behind the point than the token's {decimals}",
    todo: "leave the rest out",
  },
  UNITS_AMOUNT_TOO_LARGE: { happened: "{text} is more than any token has", todo: "write whole tokens, not base units" },
  UNITS_AMOUNT_NEGATIVE: { happened: "the amount {amount} is below zero", todo: "write it without a sign" },
  UNITS_AMOUNT_ZERO: { happened: "{text} is nothing", todo: "name an amount above zero" },
  UNITS_DECIMALS_INVALID: {
    happened: "a token with {decimals} decimals cannot be reckoned with",
    todo: "name another token",
  },
  STATEMENT_FIELD_MISSING: {
    happened: "{field} of a {structure} is not there, wanted is {wanted}",
    todo: "docs/protocol/signed-structures.md names every field",
  },
  STATEMENT_FIELD_UNKNOWN: {
    happened: "a {structure} has no field {field}",
    todo: "docs/protocol/signed-structures.md names every field",
  },
  STATEMENT_FIELD_INVALID: {
    happened: "{field} of a {structure} is of another type, wanted is {wanted}",
    todo: "docs/protocol/signed-structures.md names every field",
  },
  STATEMENT_FIELD_RANGE: {
    happened: "{field} of a {structure} is out of bounds, wanted is {wanted}",
    todo: "docs/protocol/signed-structures.md names every field",
  },
  STATEMENT_SIGNATURE_LENGTH: {
    happened: "a signature has {lengthBytes} bytes",
    todo: "give the 65 bytes of r, s, v or the 64 of EIP-2098",
  },
  STATEMENT_SIGNATURE_RECOVERY_ID: { happened: "v of a signature is {found}", todo: "it is 27 or 28; sign again" },
  STATEMENT_SIGNATURE_HIGH_S: {
    happened: "s of a signature is in the upper half",
    todo: "sign with a library that makes low ones: this one could be changed by anybody",
  },
  STATEMENT_SIGNATURE_INVALID: { happened: "a signature is none", todo: "look whether it was cut off, and sign again" },
  STATEMENT_SIGNER_WRONG: {
    happened: "the {structure} was signed by {found} and not by {wanted}, or for another network",
    todo: "sign it with the right key, for the chain and escrow of the network file",
  },
  STATEMENT_KEY_INVALID: { happened: "a key is none of secp256k1", todo: "make one with leat keys create" },
  MERKLE_INDEX_INVALID: {
    happened: "there is no leaf {index} among {leaves}",
    todo: "take the proof from whoever published the root",
  },
  MERKLE_LEAF_INVALID: {
    happened: "{field} of a leaf is not what it should be",
    todo: "take the proof from whoever published the root",
  },
  SELECTION_TABLE_TOO_LARGE: {
    happened: "a table of candidates has {rows} rows, and {maxRows} are allowed",
    todo: "ask the balancer for the decision itself",
  },
  SELECTION_ROW_TWICE: {
    happened: "{node} stands twice in a table",
    todo: "this decision cannot stand: keep the file",
  },
  SELECTION_NUMBER_INVALID: {
    happened: "{field} is {value}, which no decision can have",
    todo: "this decision cannot stand: keep the file",
  },
  SELECTION_CHAIN_SPENT: {
    happened: "all {length} numbers of the balancer's hash chain are used",
    todo: "start the balancer again: it commits to another one",
  },
  STORAGE_TREE_EMPTY: { happened: "nothing is no asset", todo: "name a file with at least one byte" },
  STORAGE_TREE_LEAF_INVALID: {
    happened: "there is no leaf {leaf} among {leaves}",
    todo: "take the number from the deal",
  },
  CANONICAL_VALUE_INVALID: {
    happened: "{path} is {found}, which cannot be hashed",
    todo: "write text or whole numbers",
  },
  OFFER_SIGNER_WRONG: {
    happened: "the offer of {node} was signed by {found}",
    todo: "take the offer from the node itself",
  },
  OFFER_EXPIRED: { happened: "the offer ended at {validUntil}", todo: "take a new one, and look at both clocks" },
  FAULT_RECEIPTS_SAME: {
    happened: "both receipts are the same one ({receiptHash}), which is no fault",
    todo: "give two that differ",
  },
  FAULT_RECEIPTS_UNRELATED: {
    happened: "the receipts are of different work, which is no fault",
    todo: "give two of the same job, sequence and attempt",
  },
  FAULT_SIGNERS_DIFFER: {
    happened: "{first} and {second} signed the two receipts",
    todo: "give two that one key signed",
  },
  FAULT_SIGNATURE_INVALID: {
    happened: "a receipt's signature is none",
    todo: "look whether the file was cut off",
  },
  FAULT_FILE_INVALID: {
    happened: "{field} of the proof is missing or not what it should be",
    todo: "docs/protocol/faults.md shows the form of the file",
  },
} satisfies ErrorTexts;
