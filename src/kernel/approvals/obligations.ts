// Obligations as the rules write them: `security:2` asks for two people of a role, `committee.meta` for a committee's vote.

export type Owed =
  | { readonly kind: 'role'; readonly role: string; readonly count: number }
  | { readonly kind: 'committee'; readonly name: string }
  /** Nobody can meet it. */
  | { readonly kind: 'unknown' }

const ROLE = /^([a-z][a-z0-9-]{0,63}):([1-9][0-9]?)$/
const COMMITTEE = /^committee\.([a-z][a-z0-9-]{0,63})$/

export function owedBy(obligation: string): Owed {
  const [, role, count] = ROLE.exec(obligation) ?? []
  if (role !== undefined) return { kind: 'role', role, count: Number(count) }
  const [, name] = COMMITTEE.exec(obligation) ?? []
  return name === undefined ? { kind: 'unknown' } : { kind: 'committee', name }
}

/** To whom a reminder goes: the role, or the committee. */
export function addresseeOf(obligation: string): string {
  const owed = owedBy(obligation)
  return owed.kind === 'role' ? owed.role : obligation
}
