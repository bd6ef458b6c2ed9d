import type { ErrorTexts } from "./error-text.ts";

/** Clusters on chain: who owns them, who signs for them, what they ask, and who is in. */
export const clusterTexts = {
  CLIENT_CLUSTER_UNKNOWN: {
    happened: "there is no cluster {cluster}: this network has {count}",
    todo: "clusters are numbered from 1; correct the number, or the network",
  },
  CLIENT_CLUSTER_NOT_OWNER: {
    happened: "the cluster is {owner}'s, and {account} acts",
    todo: "name the owner's key by --key, or correct the number",
  },
  CLIENT_CLUSTER_NOT_BALANCER: {
    happened: "{account} is neither the owner nor a balancer of cluster {cluster}",
    todo: "name the key of one of them by --key, or correct the number",
  },
  CLIENT_BALANCERS_TOO_MANY: {
    happened: "a cluster has {maximum} balancer keys at most",
    todo: "remove one with leat cluster remove-balancer, or name fewer",
  },
  CLIENT_BALANCER_USED: {
    happened:
      "{balancer} is a balancer of cluster {cluster} or was one before, and a key that was removed cannot come back",
    todo: "make another with leat keys create",
  },
  CLIENT_BALANCER_TWICE: {
    happened: "{balancer} is named twice",
    todo: "name each key once",
  },
  CLIENT_BALANCER_UNKNOWN: {
    happened: "{balancer} is no balancer of cluster {cluster} now",
    todo: "leat cluster show lists those that are",
  },
  CLIENT_SHARE_TOO_LARGE: {
    happened: "a share of {foundPpm|percent} % is more than a cluster can ask",
    todo: "name {maximumPpm|percent} % or less",
  },
  CLIENT_SHARE_ABOVE_ACCEPTED: {
    happened: "the cluster asks {sharePpm|percent} % of pay, and {acceptedPpm|percent} % would be accepted",
    todo: "accept that much by --maximum-share, or stay out of it",
  },
  CLIENT_TERMS_TOO_LONG: {
    happened: "the address of the terms has {foundBytes} bytes, and {maximumBytes} are stored",
    todo: "name a shorter one",
  },
  CLIENT_TRANSFER_NONE: {
    happened: "nobody is to take over cluster {cluster}",
    todo: "its owner begins that with leat cluster transfer",
  },
  CLIENT_TRANSFER_OF_ANOTHER: {
    happened: "the cluster is to go to {newOwner}, and {account} acts",
    todo: "name the new owner's key by --key",
  },
  CLIENT_TRANSFER_EARLY: {
    happened: "the cluster cannot be taken over before {opensAt|time}",
    todo: "come back then",
  },
  CLIENT_TRANSFER_LATE: {
    happened: "the cluster could be taken over until {endedAt|time}",
    todo: "its owner begins again with leat cluster transfer",
  },
  CLIENT_MEMBER_REFUSED: {
    happened: "cluster {cluster} keeps {operator} out",
    todo: "ask its owner, who lets it in with leat cluster approve",
  },
  CLIENT_MEMBER_UNKNOWN: {
    happened: "{operator} is not in cluster {cluster}",
    todo: "leat operator status lists the clusters that it is in",
  },
  CLIENT_MEMBER_IS_NODE: {
    happened: "{node} is a node, and {operator} is the operator whose it is",
    todo: "name the operator: it is in or out with all of its nodes",
  },
} satisfies ErrorTexts;
