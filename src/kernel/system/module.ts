// Handlers of the kernel's own actions and queries.

import process from 'node:process'
import type { Definition } from '../catalog/definition.ts'
import type { OpenedModule } from '../catalog/module.ts'
import { PolityError } from '../errors.ts'
import type { Gate } from '../gate/gate.ts'
import { holdsOn } from '../retention/policy.ts'
import * as contract from './contract.ts'
import { erase, readLog, SubjectErased, status } from './contract.ts'

export const systemContract = {
  url: new URL('./contract.ts', import.meta.url).href,
  exports: { ...contract },
}

const PAGE_SIZE = 100

export interface SystemPorts {
  readonly release: string
  readonly realm: string
  readonly origin: string
  readonly startedAt: string
  readonly gate: () => Gate
  readonly definitions: () => readonly Definition[]
}

export const systemModule = (ports: SystemPorts): OpenedModule => ({
  commands: [
    erase.handle(async (ctx, { subject }) => {
      const [hold] = await holdsOn(ctx, subject)
      if (hold)
        throw new PolityError(
          'hold.active',
          `${subject} is under the legal hold ${hold.name}: it cannot be erased until that is released`,
          { subject, hold: hold.name, reason: hold.reason },
        )
      const payloads = await ctx.shred(subject)
      ctx.record(SubjectErased({ subject, payloads }, { subject: 'vault' }))
      return { subject, payloads }
    }),
  ],
  queries: [
    readLog.handle(async (ctx, { after, limit = PAGE_SIZE, type, order }) => {
      const { entries, cursor } = await ctx.log.read({
        limit,
        isNewestFirst: order === 'newest',
        ...(after === undefined ? {} : { after }),
        ...(type === undefined ? {} : { type }),
      })
      return { entries: [...entries], ...(cursor === undefined ? {} : { cursor }) }
    }),
    status.handle((ctx) => {
      const { release, realm, origin, startedAt } = ports
      const { size, checkpoint } = ctx.log.head()
      const gate = ports.gate()
      const names = (kind: Definition['kind']) =>
        ports.definitions().flatMap((each) => (each.kind === kind ? [each.name] : []))
      return {
        release,
        realm,
        origin,
        startedAt,
        vkey: ctx.log.vkey,
        size,
        checkpoint,
        mode: gate.mode,
        bundle: gate.bundle.digest,
        memoryRssBytes: process.memoryUsage.rss(),
        actions: names('command'),
        queries: names('query'),
      }
    }),
  ],
})
