import { isCodedError } from "@leat/sdk/base/errors.ts";
import { Database } from "../../node/store/database.ts";

/**
 * A process of its own with a store, of which the parent can limit the disk. It does what it is told, message by message,
 * and answers each with a value or a code. Argument: location.
 */
export type StoreOrder =
  | { readonly do: "put"; readonly key: string; readonly value: string }
  | { readonly do: "get"; readonly key: string }
  | { readonly do: "list" }
  | { readonly do: "fault" };

export type StoreReply = { readonly value?: unknown } | { readonly code: string };

const database = await Database.open(process.argv[2]!);

async function obey(order: StoreOrder): Promise<unknown> {
  switch (order.do) {
    case "put":
      return await database.change((changes) => changes.put(order.key, order.value));
    case "get":
      return await database.get(order.key);
    case "list":
      return await database.list("");
    case "fault":
      return await database.findFault();
  }
}

process.on("message", (order: StoreOrder) => {
  obey(order).then(
    (value) => process.send!({ value } satisfies StoreReply),
    (error) => process.send!({ code: isCodedError(error) ? error.detail.code : String(error) } satisfies StoreReply),
  );
});
process.on("disconnect", () => process.exit());
process.send!({ value: "open" } satisfies StoreReply);
