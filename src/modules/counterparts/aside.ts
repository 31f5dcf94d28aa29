// What services did not take, of those that are off now too: its facts, and what people ask of it.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { type Aside, openAside } from '../../kernel/counterpart/aside.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import {
  ASIDE_PAGE_SIZE,
  type aside,
  type drop,
  RequestsDropped,
  RequestsRetried,
  type ServiceName,
} from './contract.ts'

export type Asides = (service: ServiceName) => Aside

type Act = Pick<CommandContext, 'rows' | 'record'>

export const openAsides =
  (host: ModuleHost): Asides =>
  (service) => {
    const about = { subject: `counterpart/${service}` }
    return openAside(host, 'counterparts', service, {
      retried: (keys) => RequestsRetried({ service, keys: [...keys] }, about),
      dropped: (keys) => RequestsDropped({ service, keys: [...keys] }, about),
    })
  }

export async function pageOfAside(
  asides: Asides,
  { service, after, limit = ASIDE_PAGE_SIZE }: Static<typeof aside.schema>,
): Promise<Static<typeof aside.output>> {
  const rows = await asides(service).page(limit, after)
  const last = rows.length === limit ? rows.at(-1)?.key : undefined
  return {
    items: rows.map((row) => ({ service, ...row })),
    ...(last === undefined ? {} : { after: last }),
  }
}

export async function retrySome(
  ctx: Act,
  asides: Asides,
  service: ServiceName,
  keys: readonly string[] | undefined,
) {
  const { count, isAll } = await asides(service).retry(ctx, keys)
  return { service, count, ...(keys === undefined ? { isAll } : {}) }
}

/** Nobody forgets everything by leaving something out. */
export async function dropSome(
  ctx: Act,
  asides: Asides,
  { service, keys, isAll: wantsAll = false }: Static<typeof drop.schema>,
) {
  if (wantsAll === (keys !== undefined))
    throw new PolityError('input.invalid', 'either /keys names what to forget, or /isAll says everything')
  const { count, isAll } = await asides(service).drop(ctx, keys)
  return { service, count, ...(wantsAll ? { isAll } : {}) }
}
