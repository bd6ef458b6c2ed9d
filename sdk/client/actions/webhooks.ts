import type { EndpointRequest, EventType } from "../../protocol/events.ts";
import { type ApiCaller, callApi } from "./streams.ts";

/** A server that is told of an account's events. Its secret is not shown. */
export interface WebhookInfo {
  readonly id: string;
  readonly url: string;
  readonly events: readonly EventType[];
  readonly createdAtMs: number;
  /** Why the last event was not acknowledged (`status 500`, or a code), and when; null where it was. */
  readonly lastFailure: { readonly reason: string; readonly atMs: number } | null;
}

/** Has a server of the account told what happens, from now on. */
export function addWebhook(caller: ApiCaller, request: EndpointRequest): Promise<WebhookInfo> {
  return callApi(caller, "POST", "/v1/webhooks", { body: request });
}

export async function listWebhooks(caller: ApiCaller): Promise<readonly WebhookInfo[]> {
  return (await callApi<{ webhooks: readonly WebhookInfo[] }>(caller, "GET", "/v1/webhooks")).webhooks;
}

/** What the server was still to be told is dropped. */
export async function removeWebhook(caller: ApiCaller, id: string): Promise<void> {
  await callApi(caller, "POST", `/v1/webhooks/${encodeURIComponent(id)}/remove`, { body: {} });
}
