// What a decision waits for beside its sources: none of it holds anybody for ever, and no answer is no permission.

import type { Awaitable, Env } from '../env.ts'
import { asPolityError, type PolityError } from '../errors.ts'
import type { DecidePorts } from './decide.ts'
import type { ApprovalDesk } from './invocation.ts'
import { unavailable } from './outage.ts'
import { askOne } from './patience.ts'

type Waited = Pick<DecidePorts, 'isSolo' | 'rolesOf'> & { readonly approvals: ApprovalDesk }

/** The same ports, which throw `gate.unavailable` where they cannot answer, or not in time. */
export function patientPorts(
  { isSolo, rolesOf, approvals }: Waited,
  env: Pick<Env, 'monotonic' | 'sleepUntil'>,
): Waited {
  const inTime = <T>(name: string, ask: () => Awaitable<T>, isOurs: (error: PolityError) => boolean) =>
    askOne(env, name, ask).catch((thrown: unknown) => {
      const error = asPolityError(thrown, 'gate.failed')
      throw isOurs(error) ? error : unavailable([name], {}, thrown)
    })
  return {
    isSolo: () => inTime('owners', isSolo, () => false),
    rolesOf: (principal) =>
      inTime(
        'roles',
        () => rolesOf(principal),
        () => false,
      ),
    approvals: {
      ...approvals,
      // What it refuses is an answer: too many wait already.
      hold: (invocation) =>
        inTime(
          'approvals',
          () => approvals.hold(invocation),
          ({ status }) => status < 500,
        ),
    },
  }
}
