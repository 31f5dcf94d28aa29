// Checks of GitHub workflows: untrusted code and input (Dangerous-Workflow), and what their tokens may do.

import {
  type Check,
  type CheckInput,
  type CheckResult,
  known,
  plural,
  type RawFinding,
  unknown,
  unread,
} from './check.ts'
import type { Job, ParsedWorkflow, Permissions, Step } from './workflow.ts'

/** Event fields that whoever opens an issue or a pull request can write. */
const OUTSIDE_FIELD =
  /(issue|pull_request|discussion)\.(title|body)|(comment|review|review_comment)\.body|pages[^\s]{0,100}\.page_name|commits[^\s]{0,100}\.(message|author\.(email|name))|head_commit\.(message|author\.(email|name))|blocked_user\.(name|email)|pull_request\.head\.(ref|label|repo\.default_branch)/
const WHOLE_EVENT = /tojson\s*\(\s*github(\.event)?\s*\)/i

export const dangerousWorkflow: Check = {
  id: 'Dangerous-Workflow',
  weight: 10,
  run(input) {
    if (input.workflows.length === 0) return unknown('there is no workflow')
    const findings = parsed(input).flatMap((workflow) =>
      workflow.jobs.flatMap((job) => dangersOf(workflow, job)),
    )
    if (findings.length > 0)
      return known(0, `${plural(findings.length, 'dangerous pattern')} in workflows`, findings)
    return unreadable(input) ?? known(10, 'no workflow runs untrusted code or input')
  },
}

function dangersOf(workflow: ParsedWorkflow, job: Job): RawFinding[] {
  const isTrusted = !workflow.triggers.has('pull_request_target') && !workflow.triggers.has('workflow_run')
  return job.steps.flatMap((step) => [
    ...(isTrusted ? [] : untrustedCheckout(workflow.path, step)),
    ...scriptInjection(workflow.path, step),
  ])
}

function untrustedCheckout(path: string, step: Step): RawFinding[] {
  const ref = step.with.get('ref') ?? ''
  if (!step.uses?.startsWith('actions/checkout@')) return []
  if (!ref.includes('github.event.pull_request') && !ref.includes('github.event.workflow_run')) return []
  const message = 'checks out code of a pull request with the rights of the repository'
  return [finding('untrusted-checkout', 'error', message, path, step.line, ref)]
}

function scriptInjection(path: string, step: Step): RawFinding[] {
  const expressions = [...(step.run ?? '').matchAll(/\$\{\{([^}]{0,2000})\}\}/g)].map(([, inside = '']) =>
    inside.trim(),
  )
  return expressions.filter(isUntrusted).map((expression) => {
    const message = 'a script contains text that anyone can write; pass it through an environment variable'
    return finding('script-injection', 'error', message, path, step.line, expression)
  })
}

/** True for an expression whose value an outsider can write. */
export function isUntrusted(expression: string): boolean {
  if (expression.includes('github.head_ref') || WHOLE_EVENT.test(expression)) return true
  return expression.includes('github.event.') && OUTSIDE_FIELD.test(expression)
}

/** What a write scope at the top costs; the others cost nothing by themselves. */
const SCOPE_COST = new Map([
  ['contents', 10],
  ['packages', 10],
  ['actions', 10],
  ['deployments', 1],
  ['security-events', 1],
  ['checks', 0.5],
  ['statuses', 0.5],
])

export const tokenPermissions: Check = {
  id: 'Token-Permissions',
  weight: 7.5,
  run(input) {
    const workflows = parsed(input)
    if (input.workflows.length === 0) return unknown('there is no workflow')
    const results = workflows.map(permissionCost)
    const findings = results.flatMap((result) => result.findings)
    const value = Math.trunc(Math.max(0, 10 - results.reduce((sum, { cost }) => sum + cost, 0)))
    if (value === 0) return known(0, 'tokens of workflows may write more than they need', findings)
    const broken = unreadable(input)
    if (broken) return { ...broken, findings }
    const reason =
      value === 10 ? 'tokens of workflows may only read' : `${plural(findings.length, 'permission')} too many`
    return known(value, reason, findings)
  },
}

function permissionCost(workflow: ParsedWorkflow): { cost: number; findings: RawFinding[] } {
  const { permissions: top, jobs, path } = workflow
  const undeclaredJob = jobs.some((job) => job.permissions.kind === 'undeclared')
  const writingJobs = jobs.filter((job) => writes(job.permissions))
  const jobFindings = writingJobs.map((job) =>
    finding('job-may-write', 'warning', `the token of job ${job.id} may write`, path, job.line, job.id),
  )
  if (top.kind === 'undeclared') {
    const message = 'declares no permissions, so its token has the default ones'
    const findings = [finding('permissions-undeclared', 'warning', message, path, 1, ''), ...jobFindings]
    return { cost: undeclaredJob ? 10 : 0.5 + 0.5 * writingJobs.length, findings }
  }
  const topFindings = topWrites(top).map(({ scope, line }) =>
    finding('workflow-may-write', 'warning', `the token of every job may write ${scope}`, path, line, scope),
  )
  const findings = [...topFindings, ...jobFindings]
  if (writes(top) && writingJobs.length > 0) return { cost: 10, findings }
  if (top.kind === 'all') return { cost: top.level === 'read' ? 0 : undeclaredJob ? 10 : 0.5, findings }
  return { cost: top.writes.reduce((sum, { scope }) => sum + (SCOPE_COST.get(scope) ?? 0), 0), findings }
}

const writes = (permissions: Permissions) => topWrites(permissions).length > 0

function topWrites(permissions: Permissions): readonly { scope: string; line: number }[] {
  if (permissions.kind === 'map') return permissions.writes
  return permissions.kind === 'all' && permissions.level === 'write'
    ? [{ scope: 'everything', line: permissions.line }]
    : []
}

const parsed = (input: CheckInput) => input.workflows.filter((workflow) => workflow.kind === 'parsed')

/** What could not be read is not safe: the check is unknown, and says which file and line. */
function unreadable(input: CheckInput): CheckResult | null {
  const [first] = input.workflows.filter((workflow) => workflow.kind === 'unreadable')
  if (!first) return null
  const findings = [
    finding('unreadable-workflow', 'note', `not read: ${first.reason}`, first.path, first.line, ''),
  ]
  return unread(`a workflow could not be read: ${first.reason}`, findings)
}

function finding(
  rule: string,
  level: RawFinding['level'],
  message: string,
  path: string,
  line: number,
  snippet: string,
): RawFinding {
  return { ruleId: `scorecard/${rule}`, level, message, path, line, snippet }
}
