import assert from "node:assert/strict";
import { ViewerPlaces } from "@leat/node/media-io/whep/viewer-places.ts";
import type { CodedError } from "@leat/sdk/base/errors.ts";

const isCode = (code: string) => (error: CodedError<{ code: string }>) => error.code === code;

describe("viewer places", () => {
  it("counts those who watch apart from those who have not connected", () => {
    const places = new ViewerPlaces(2);
    const watching = [places.take("192.0.2.1"), places.take("192.0.2.2")];
    assert.throws(() => places.take("192.0.2.3"), isCode("WEBRTC_SESSIONS_EXCEEDED"));
    for (const place of watching) place.open();
    assert.throws(() => places.take("192.0.2.3"), isCode("WEBRTC_SESSIONS_EXCEEDED"));
    watching[0]!.leave();
    const late = [places.take("192.0.2.3"), places.take("192.0.2.4")];
    late[0]!.open();
    // Two were answered for one place: who connects first has it.
    assert.throws(() => late[1]!.open(), isCode("WEBRTC_SESSIONS_EXCEEDED"));
    for (const place of [watching[0]!, watching[1]!, ...late, ...late]) place.leave();
    for (const address of ["192.0.2.5", "192.0.2.6"]) places.take(address).open();
  });

  it("gives one address, or one network of IPv6, no more than a few that have not connected", () => {
    const places = new ViewerPlaces(500);
    const taken = Array.from({ length: 16 }, (_, index) => places.take(`2001:db8::${index + 1}`));
    assert.throws(() => places.take("2001:db8::ffff"), isCode("WHEP_CONNECTING_EXCEEDED"));
    places.take("2001:db8:0:1::1").leave();
    taken[0]!.open();
    taken[1]!.leave();
    places.take("2001:db8::1");
    places.take("2001:db8::1");
    assert.throws(() => places.take("2001:db8::1"), isCode("WHEP_CONNECTING_EXCEEDED"));
  });
});
