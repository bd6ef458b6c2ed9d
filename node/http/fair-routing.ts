import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import { LoopShare } from "../kernel/loop-share.ts";
import { Http2Request, type Http2Response } from "./http2-messages.ts";

/** A crowd of viewers waits for the same part and asks for the next one in one moment: all at once, others would wait for all. */
const perTurn = 16;
/** A client that sends many requests at once, one behind the other, could else have this node keep all of them. */
const mostWaiting = 256;

export type RouteRequest = (request: Http2Request | IncomingMessage, response: Http2Response | ServerResponse) => void;

/** Routes the requests of `app.server` and of whoever calls what it answers, so many in a turn of the event loop, in order. */
export function routeFairly(app: FastifyInstance): RouteRequest {
  const share = new LoopShare({ perTurn, mostWaiting });
  const route: RouteRequest = (request, response) =>
    share.run(() => {
      // Nobody is left to be answered.
      const { destroyed, closed } = request instanceof Http2Request ? request.stream : request.socket;
      if (!destroyed && !closed) app.routing(request as IncomingMessage, response as ServerResponse);
    });
  app.server.removeAllListeners("request").on("request", route);
  return route;
}
