// Procedures: runs declared as data, pinned to the definition under which they began.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import { defineModule } from '../../kernel/catalog/module.ts'
import { pageOf } from '../../kernel/catalog/page-of.ts'
import { PolityError } from '../../kernel/errors.ts'
import { carryOut } from './carrying-out.ts'
import * as contract from './contract.ts'
import {
  define,
  get,
  list,
  ProcedureRetired,
  type ProcedureRow,
  procedures,
  retire,
  start,
} from './contract.ts'
import { defineProcedure } from './defining.ts'
import type { Definition } from './steps.ts'

/** The step that says under which definition the run began; no step of a procedure can be called so. */
const PINNED_STEP = '@definition'

export const proceduresModule = defineModule(
  'procedures',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  (host) => ({
    commands: [
      define.handle((ctx, input) => defineProcedure(ctx, input, host.definitions())),
      start.handle(async (ctx, { name, input = {}, digest: asked }) => {
        const { digest, definition } = await pinned(ctx, name)
        if (asked !== undefined && asked !== digest)
          throw new PolityError(
            'expectation.failed',
            `${name} is ${digest} by now, and not ${asked}: look at its steps, then ask for them`,
            { name, expected: asked, actual: digest },
          )
        return { name, digest, output: (await carryOut(ctx, definition, input)) ?? null }
      }),
      retire.handle(async (ctx, { name, reason }) => {
        const row = await current(ctx, name)
        if (row.retiredAt !== undefined)
          throw new PolityError('procedures.retired', `${name} was retired before`, { name })
        ctx.record(
          ProcedureRetired(
            { name, digest: row.digest, ...(reason === undefined ? {} : { reason }) },
            { subject: `procedure/${name}` },
          ),
        )
        return shown(name, { ...row, retiredAt: ctx.now, ...(reason === undefined ? {} : { reason }) })
      }),
    ],
    queries: [
      get.handle(async (ctx, { name }) => shown(name, await current(ctx, name))),
      list.handle((ctx, input) => pageOf(ctx, procedures, input, ({ key, value }) => listed(key, value))),
    ],
  }),
)

async function current(ctx: Pick<CommandContext, 'get'>, name: string): Promise<ProcedureRow> {
  const row = await ctx.get(procedures, name)
  if (!row)
    throw new PolityError(
      'not-found',
      `there is no procedure ${name}: \`polity procedures list\` names them`,
      { name },
    )
  return row.value
}

/**
 * The definition in force, which must be the one under which the run began. Throws `not-found`, `procedures.retired`
 * for a new run, `run.parked` for one whose definition was changed while nobody carried it out.
 */
async function pinned(
  ctx: CommandContext,
  name: string,
): Promise<{ readonly digest: string; readonly definition: Definition }> {
  const row = await current(ctx, name)
  const digest = await ctx.step(PINNED_STEP, () => {
    if (row.retiredAt === undefined) return row.digest
    throw new PolityError('procedures.retired', `${name} is retired and is not started any more`, { name })
  })
  if (digest !== row.digest)
    throw new PolityError(
      'run.parked',
      `${name} was changed while this run was interrupted: it began under ${digest}, and ${row.digest} is in force; define the former again and resume the run, or cancel it`,
      { name, began: digest, inForce: row.digest },
    )
  return { digest, definition: row.definition as Definition }
}

const shown = (name: string, { digest, definedAt, retiredAt, reason, definition }: ProcedureRow) => ({
  name,
  digest,
  isRetired: retiredAt !== undefined,
  definedAt,
  ...(retiredAt === undefined ? {} : { retiredAt }),
  ...(reason === undefined ? {} : { reason }),
  definition,
})

function listed(name: string, row: ProcedureRow) {
  const { digest, isRetired, definedAt, definition } = shown(name, row)
  const { summary } = definition as Definition
  return { name, digest, isRetired, definedAt, ...(summary === undefined ? {} : { summary }) }
}
