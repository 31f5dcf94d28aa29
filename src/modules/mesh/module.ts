// The event mesh: events, messages and routes as facts of the log, taken from it by subscriptions.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import { defineModule, type Module, type ModuleHost, type OpenedModule } from '../../kernel/catalog/module.ts'
import { pageOf } from '../../kernel/catalog/page-of.ts'
import { PolityError } from '../../kernel/errors.ts'
import { openPull, type Pull } from '../../kernel/feed/pull.ts'
import {
  activateRoutes,
  defineType,
  listTypes,
  proposeRoutes,
  publish,
  publishLegacy,
  publishMany,
  reply,
  request,
  rollBackRoutes,
  send,
  showRoutes,
} from './actions.ts'
import { maySubscribe } from './admission.ts'
import { openBlocking } from './blocking.ts'
import { bringIn } from './bringing-in.ts'
import { activateOne, proposeOne, rollBackOne } from './changing.ts'
import * as contract from './contract.ts'
import { openCounting } from './counting.ts'
import { declareType } from './declared.ts'
import { eventTypeOf, isCarrier } from './events.ts'
import {
  legacyBus,
  type MeshAdmission,
  meshAdmission,
  meshStats,
  meshStream,
  meshValidators,
} from './faces.ts'
import { SubscriptionClosed } from './facts.ts'
import {
  ack,
  drop,
  extend,
  inbox,
  listSubscriptions,
  nack,
  parked,
  pauseSubscription,
  resumeSubscription,
  retry,
  seek,
  subscribe,
  sweepGroup,
  take,
  unsubscribe,
} from './following.ts'
import { openLegacyBus, publishAsLegacy } from './legacy.ts'
import { followReplies, replyOne, requestOne, sendOne } from './messaging.ts'
import { type PublishPorts, publishAll, publishOne, SEEN } from './publishing.ts'
import { openRouting } from './routing.ts'
import { schemaValidator } from './schema-validator.ts'
import type { MeshOptions } from './settings.ts'
import {
  ackSome,
  dropSome,
  extendSome,
  nackSome,
  pageOfParked,
  pageOfSubscriptions,
  retrySome,
  seekTo,
} from './settling.ts'
import { showActive } from './showing.ts'
import { openMeshStream } from './streaming.ts'
import { closeSubscription, INBOX, openSubscription, pauseOne } from './subscribing.ts'
import { openWaiting, type TakePorts, takeSome } from './taking.ts'
import { trustIn } from './trusting.ts'
import { openValidating } from './validating.ts'
import { ROUTES_ACTIVE, routes, types } from './views.ts'

export const meshModule = (options: MeshOptions = {}): Module =>
  defineModule('mesh', { url: new URL('./contract.ts', import.meta.url).href, exports: contract }, (host) =>
    openMesh(host, options),
  )

function openMesh(host: ModuleHost, options: MeshOptions): OpenedModule {
  const closing = new AbortController()
  const pull = openPull({ env: host.env, log: host.log, area: 'mesh' })
  const routing = openRouting()
  const counting = openCounting()
  const blocking = openBlocking(host)
  const validating = openValidating(host.env, options.isValidating ?? true)
  validating.register('schema', schemaValidator(host))
  const trustOf = options.trustOf ?? trustIn(host)
  const publishing = { host, options, trustOf, routing, validating, counting, blocking }
  const taking: TakePorts = {
    host,
    pull,
    routing,
    closing: closing.signal,
    waited: new Set(),
    waiting: openWaiting(),
  }
  forgetClosed(host)
  followReplies(host)
  return {
    commands: [
      publish.handle((ctx, input) => publishOne(ctx, input, publishing)),
      publishMany.handle((ctx, { events }) => publishAll(ctx, events, publishing)),
      publishLegacy.handle((ctx, input) => publishAsLegacy(ctx, input, publishing)),
      defineType.handle(declareType),
      send.handle((ctx, input) => sendOne(ctx, input, { host, pull })),
      request.handle((ctx, input) => requestOne(ctx, input, { host, pull })),
      reply.handle(replyOne),
      proposeRoutes.handle((ctx, input) => proposeOne(ctx, input, { host, routing, counting, trustOf })),
      activateRoutes.handle(activateOne),
      rollBackRoutes.handle(rollBackOne),
      subscribe.handle((ctx, input) => openSubscription(ctx, input, taking)),
      unsubscribe.handle((ctx, { name }) => closeSubscription(ctx, name)),
      pauseSubscription.handle((ctx, { name }) => pauseOne(ctx, name, true, pull)),
      resumeSubscription.handle((ctx, { name }) => pauseOne(ctx, name, false, pull)),
      take.handle((ctx, input) => takeSome(ctx, input, taking)),
      inbox.handle((ctx, input) => takeSome(ctx, { ...input, name: INBOX }, taking)),
      ack.handle((ctx, input) => ackSome(ctx, input, taking)),
      nack.handle((ctx, input) => nackSome(ctx, input, taking)),
      extend.handle((ctx, input) => extendSome(ctx, input, taking)),
      seek.handle((ctx, input) => seekTo(ctx, input, taking)),
      retry.handle((ctx, input) => retrySome(ctx, input, taking)),
      drop.handle((ctx, input) => dropSome(ctx, input, taking)),
      sweepGroup.handle((ctx, { group }) => sweepOne(ctx, group, pull)),
    ],
    queries: [
      listTypes.handle((ctx, input) => pageOf(ctx, types, input, ({ value }) => value)),
      showRoutes.handle((ctx) => showActive(ctx, routing)),
      listSubscriptions.handle((ctx, input) => pageOfSubscriptions(ctx, input, taking)),
      parked.handle((ctx, input) => pageOfParked(ctx, input, taking)),
    ],
    faces: [
      meshValidators.provide(validating),
      legacyBus.provide(openLegacyBus(host)),
      meshStats.provide({ counts: counting.counts }),
      meshAdmission.provide(admissionOf(host, publishing)),
      meshStream.provide(openMeshStream(host, routing)),
    ],
    sweptTables: [...pull.tables.swept, SEEN],
    declared: {
      name: 'mesh.routes',
      digest: async () => (await host.reads.get(routes, ROUTES_ACTIVE))?.value.digest ?? 'none',
    },
    async close() {
      closing.abort()
      pull.news.close()
      await blocking.close()
    },
  }
}

const admissionOf = ({ reads }: ModuleHost, publishing: PublishPorts): MeshAdmission => ({
  admit: (event) => bringIn(reads, event, publishing),
  mayFollow: async (chain, entry) =>
    !isCarrier(entry) || maySubscribe(await publishing.routing.active(reads), eventTypeOf(entry), chain),
})

async function sweepOne({ chain, rows }: CommandContext, group: string, pull: Pull) {
  if (chain.some(({ kind }) => kind !== 'hub'))
    throw new PolityError('denied', 'only the hub itself clears away what closed subscriptions leave')
  return { isDone: await pull.forget(rows, group) }
}

/** In turns, each a commit of its own: a subscription may have set thousands of items aside. */
function forgetClosed({ follow, invokeAsHub }: Pick<ModuleHost, 'follow' | 'invokeAsHub'>): void {
  follow({
    name: 'closed-subscriptions',
    types: [SubscriptionClosed.name],
    async handle({ data }, signal) {
      const group = String(data.group)
      while (!signal.aborted && !(await invokeAsHub(sweepGroup, { group })).isDone);
    },
  })
}
