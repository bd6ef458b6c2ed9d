/** Signed offers of all nodes. A handful of topics exist, never one per stream or job. */
export const OFFERS_TOPIC = "/leat/offers/1";
