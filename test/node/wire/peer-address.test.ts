import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { privateKeyToAddress } from "viem/accounts";
import { createNodeKey, toLibp2pKey } from "../../../node/kernel/keys.ts";
import { addressOfPeerId, selectMultiaddrs } from "../../../node/wire/peer-address.ts";

const secret = new Uint8Array(32).fill(7);
const key = createNodeKey(secret);
const peerId = peerIdFromPrivateKey(toLibp2pKey(key));
const codeIs = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;

describe("peer addresses", () => {
  it("are what Ethereum makes of the same key", () => {
    const expected = privateKeyToAddress(`0x${"07".repeat(32)}`).toLowerCase();
    assert.equal(addressOfPeerId(peerId), expected);
    assert.equal(addressOfPeerId(peerId.toString()), expected);
    assert.equal(key.address, expected);
  });

  it("exist for no other kind of key", async () => {
    const other = peerIdFromPrivateKey(await generateKeyPair("Ed25519"));
    assert.throws(() => addressOfPeerId(other), codeIs("WIRE_KEY_UNSUPPORTED"));
  });

  it("select the multiaddrs that name the wanted peer", async () => {
    const other = peerIdFromPrivateKey(toLibp2pKey(createNodeKey(new Uint8Array(32).fill(8))));
    const ours = `/ip4/127.0.0.1/tcp/4460/p2p/${peerId}`;
    const texts = ["", "/ip4/1.2.3.4", ours, `/ip4/127.0.0.1/tcp/4460/p2p/${other}`, "/tcp/99999999", "garbage"];
    assert.deepEqual(selectMultiaddrs(texts, key.address).map(String), [ours]);
    assert.throws(() => selectMultiaddrs(["/ip4/1.2.3.4/tcp/1"], key.address), codeIs("WIRE_ADDRESS_MISSING"));
  });
});
