// Webhooks: events of the log go out to URLs until they arrive, and events from outside come in once they are proven.

import { defineModule, type Module, type ModuleHost, type OpenedModule } from '../../kernel/catalog/module.ts'
import { readEachTime } from '../../kernel/config/live.ts'
import {
  deliveries,
  disable,
  enable,
  get,
  list,
  listSources,
  putSource,
  register,
  remove,
  removeSource,
  replay,
  rotate,
  test,
  update,
} from './actions.ts'
import * as contract from './contract.ts'
import { pageOfDeliveries, replaySome, testOne } from './delivering.ts'
import { ownEndpoint, shapeOf } from './endpoint.ts'
import { hookReceiver } from './faces.ts'
import { openFeeding } from './feeding.ts'
import { openReceiver, putOneSource, removeOneSource, SEEN } from './receiving.ts'
import { pageOfOwn, registerOne, removeOne, rotateOne, switchOne, updateOne } from './registering.ts'
import { FAILING, type SendingPorts, webhookSender } from './sending.ts'
import { DEFAULTS, type WebhooksOptions } from './settings.ts'
import { sources } from './views.ts'

const PAGE_SIZE = 100

export const webhooksModule = (options: WebhooksOptions = {}): Module =>
  defineModule(
    'webhooks',
    { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
    (host) => openWebhooks(host, readEachTime(DEFAULTS, options)),
  )

function openWebhooks(host: ModuleHost, options: Required<WebhooksOptions>): OpenedModule {
  const ports: SendingPorts = { host, options }
  host.deliveries.register(webhookSender(ports))
  const feeding = openFeeding(ports)
  return {
    commands: [
      register.handle((ctx, input) => registerOne(ctx, input, ports)),
      update.handle((ctx, input) => updateOne(ctx, input, ports)),
      rotate.handle((ctx, input) => rotateOne(ctx, input, ports)),
      remove.handle((ctx, { endpoint }) => removeOne(ctx, endpoint)),
      enable.handle((ctx, { endpoint }) => switchOne(ctx, endpoint, true)),
      disable.handle((ctx, { endpoint }) => switchOne(ctx, endpoint, false)),
      test.handle((ctx, input) => testOne(ctx, input, ports)),
      replay.handle((ctx, input) => replaySome(ctx, input, ports)),
      putSource.handle((ctx, input) => putOneSource(ctx, input, host)),
      removeSource.handle((ctx, { name }) => removeOneSource(ctx, name)),
    ],
    queries: [
      get.handle(async (ctx, { endpoint }) => shapeOf(await ownEndpoint(ctx, ctx.chain, endpoint))),
      list.handle(pageOfOwn),
      deliveries.handle((ctx, input) => pageOfDeliveries(ctx, input, ports)),
      listSources.handle(async (ctx, { after, limit = PAGE_SIZE }) => {
        const rows = await ctx.list(sources, { limit, ...(after === undefined ? {} : { after }) })
        const last = rows.length === limit ? rows.at(-1)?.key : undefined
        return { items: rows.map(({ value }) => value), ...(last === undefined ? {} : { after: last }) }
      }),
    ],
    faces: [hookReceiver.provide(openReceiver(ports))],
    sweptTables: [SEEN, FAILING],
    close: () => feeding.close(),
  }
}
