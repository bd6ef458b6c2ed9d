import { BlockList, isIP } from "node:net";

/** Ranges of IPv4 that lead into somebody's own network, or nowhere (IANA's special-purpose registry). */
const innerRanges: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
const inner = new BlockList();
for (const [network, prefix] of innerRanges) inner.addSubnet(network, prefix, "ipv4");

/** Of IPv6 only global unicast is anybody's; parts of that carry IPv4 inside, or are for papers and tunnels. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet("2000::", 3, "ipv6");
const tunnels = new BlockList();
tunnels.addSubnet("2001::", 23, "ipv6");
tunnels.addSubnet("2001:db8::", 32, "ipv6");
tunnels.addSubnet("2002::", 16, "ipv6");
tunnels.addSubnet("3fff::", 20, "ipv6");

/** Whether an address is one of the open internet. What is no address is none. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !inner.check(address, "ipv4");
    case 6:
      return globalUnicast.check(address, "ipv6") && !tunnels.check(address, "ipv6");
    default:
      return false;
  }
}

/** Where an address leads, as far as whoever named it is told. */
export type AddressKind =
  | "public"
  | "loopback"
  | "private"
  | "shared"
  | "linkLocal"
  | "multicast"
  /** IPv4 written as IPv6. */
  | "mapped"
  /** IPv4 behind a translator. */
  | "nat64"
  | "reserved";

const namedKinds: readonly (readonly [AddressKind, "ipv4" | "ipv6", string, number])[] = [
  ["loopback", "ipv4", "127.0.0.0", 8],
  ["loopback", "ipv6", "::1", 128],
  ["private", "ipv4", "10.0.0.0", 8],
  ["private", "ipv4", "172.16.0.0", 12],
  ["private", "ipv4", "192.168.0.0", 16],
  ["private", "ipv6", "fc00::", 7],
  ["shared", "ipv4", "100.64.0.0", 10],
  ["linkLocal", "ipv4", "169.254.0.0", 16],
  ["linkLocal", "ipv6", "fe80::", 10],
  ["multicast", "ipv4", "224.0.0.0", 4],
  ["multicast", "ipv6", "ff00::", 8],
  ["mapped", "ipv6", "::ffff:0:0", 96],
  ["nat64", "ipv6", "64:ff9b::", 96],
  ["nat64", "ipv6", "64:ff9b:1::", 48],
];
const kinds = namedKinds.map(([kind, family, network, prefix]) => {
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return { kind, family, list };
});

export function kindOfAddress(address: string): AddressKind {
  if (isPublicAddress(address)) return "public";
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  // A list of IPv4 would also hold what is that address written as IPv6.
  const named = kinds.find((one) => one.family === family && one.list.check(address, family));
  return named?.kind ?? "reserved";
}

/** Networks as `10.1.0.0/16` or `fd00::/8`; a single address stands for itself. */
export const NETWORK_PATTERN = "^[0-9a-fA-F:.]{2,45}(/[0-9]{1,3})?$";

/** Says which addresses may be connected to: those of the open internet, and of the networks that are named. */
export function allowNetworks(networks: readonly string[]): (address: string) => boolean {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    // BlockList throws for what is no network.
    lists[family].addSubnet(address, prefix === undefined ? (family === "ipv6" ? 128 : 32) : Number(prefix), family);
  }
  return (address) => {
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    return isPublicAddress(address) || (isIP(address) !== 0 && lists[family].check(address, family));
  };
}
