// Handlers of the kernel's own actions and queries.

import process from 'node:process'
import type { CommandContext } from '../catalog/context.ts'
import type { Definition } from '../catalog/definition.ts'
import type { OpenedModule } from '../catalog/module.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Gate } from '../gate/gate.ts'
import { requireUnheld } from '../retention/policy.ts'
import * as contract from './contract.ts'
import { erase, readLog, SubjectErased, status } from './contract.ts'
import type { StageReport } from './stage-report.ts'

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
  readonly role: () => 'alone' | 'writer' | 'follower'
  readonly gate: () => Gate
  readonly stages: () => readonly StageReport[]
  readonly definitions: () => readonly Definition[]
  /** Asks every module whether it knows why a subject must stay. */
  readonly requireErasable: NonNullable<OpenedModule['requireErasable']>
}

export const systemModule = (ports: SystemPorts): OpenedModule => ({
  commands: [
    erase.handle(async (ctx, { subject }) => {
      await requireErasable(ports, ctx, subject)
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
        role: ports.role(),
        vkey: ctx.log.vkey,
        size,
        checkpoint,
        mode: gate.rollout.mode,
        bundle: gate.bundle.digest,
        memoryRssBytes: process.memoryUsage.rss(),
        stages: [...ports.stages()],
        actions: names('command'),
        queries: names('query'),
      }
    }),
  ],
})

/** A legal hold wins, and so does what a module must keep. Throws `hold.active`. */
async function requireErasable(ports: SystemPorts, ctx: CommandContext, subject: string): Promise<void> {
  await requireUnheld(ctx, subject)
  try {
    await ports.requireErasable(ctx, subject, Date.parse(ctx.now))
  } catch (thrown) {
    const { code, message } = asPolityError(thrown)
    throw new PolityError('hold.active', message, { subject, reason: code }, thrown)
  }
}
