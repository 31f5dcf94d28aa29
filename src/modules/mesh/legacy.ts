// The older event bus on top of the mesh: publish and subscribe by a type, as its callers know it, while they move over.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { matchesType, parsePattern } from '../../kit/type-pattern.ts'
import { publishLegacy } from './actions.ts'
import { eventTypeOf, fullType, meshEventOf } from './events.ts'
import type { LegacyBus } from './faces.ts'
import { EventPublished } from './facts.ts'
import { type PublishPorts, publishOne } from './publishing.ts'
import { patternsOf } from './subscribing.ts'

type Input = Static<Type.TObject<(typeof publishLegacy)['input']>>

/** Who the caller says it is goes along, marked as a claim; the source is who asked. */
export const publishAsLegacy = (
  ctx: CommandContext,
  { eventType, payload, source }: Input,
  ports: PublishPorts,
): ReturnType<typeof publishOne> =>
  publishOne(
    ctx,
    { type: eventType, data: payload, ...(source === undefined ? {} : { claimedSource: source }) },
    ports,
    ports.options.legacyMode ?? 'enforce',
  )

export function openLegacyBus({
  env,
  invokeAsHub,
  subscriptions,
}: Pick<ModuleHost, 'env' | 'invokeAsHub' | 'subscriptions'>): LegacyBus {
  return {
    async publish(eventType, payload, source) {
      await invokeAsHub(publishLegacy, { eventType, payload, ...(source === undefined ? {} : { source }) })
    },
    async subscribe(eventType, handler, { name } = {}) {
      patternsOf([eventType])
      const pattern = parsePattern(eventType)
      const cursorName = `legacy/${name ?? env.id()}`
      const subscription = await subscriptions.open({
        name: cursorName,
        types: [EventPublished.name],
        filter: (entry) => matchesType(pattern, fullType(eventTypeOf(entry))),
        // The bus it stands for had no order among types; within one key there is one.
        key: ({ data }) => (typeof data.key === 'string' ? data.key : undefined),
        handle: async (entry) => {
          const { type, data, source } = meshEventOf(entry)
          await handler({ event_type: type, payload: data, source })
        },
      })
      return async () => {
        await subscription.close()
        if (name === undefined) await subscriptions.forget(cursorName)
      }
    },
  }
}
