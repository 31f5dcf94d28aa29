// The repositories: one row each, kept in place while news arrives; the URL says which one is open.

import { ApiError, act, get } from './api.ts'
import { coalesced } from './coalesced.ts'
import { details } from './details.ts'
import { byId, element } from './element.ts'
import { gradeBadge, historyLine, ring, trend } from './figures.ts'
import { list, raw, record, text } from './json.ts'
import { counted, timeElement } from './numbers.ts'
import { type Repository, readAnalysis, readRepository, type Summary } from './shapes.ts'

const PAGE_SIZE = 100
const COMMIT_SHOWN_CHARS = 8

interface Row {
  readonly item: HTMLLIElement
  readonly head: HTMLElement
  readonly link: HTMLAnchorElement
  readonly details: HTMLElement
  /** What is drawn, as JSON: nothing moves while nothing changes. */
  drawn: string
  repository: Repository
}

export interface Repositories {
  /** Asks the hub again; calls during an answer become one more question after it. */
  refresh(): Promise<void>
  clear(): void
}

/** `onSummary` gets the line over the list; `onError` what the hub refused. */
export function openRepositories(
  onSummary: (summary: string) => void,
  onError: (error: unknown) => void,
): Repositories {
  const rows = new Map<string, Row>()
  const listElement = byId('repository-list')
  const more = byId('repositories-more')
  let wanted = PAGE_SIZE
  const refresh = coalesced(async () => {
    try {
      const page = await load(wanted)
      draw(page.repositories)
      more.hidden = !page.isCut
      onSummary(summaryOf(page.repositories))
    } catch (error) {
      onError(error)
    }
  })

  const draw = (repositories: readonly Repository[]) => {
    const names = new Set(repositories.map(({ name }) => name))
    for (const [name, row] of rows) if (!names.has(name)) row.item.remove()
    for (const name of rows.keys()) if (!names.has(name)) rows.delete(name)
    repositories.forEach((repository, at) => {
      const row = rows.get(repository.name) ?? newRow(repository, rows.size)
      rows.set(repository.name, row)
      drawRow(row, repository, onError)
      if (listElement.children[at] !== row.item)
        listElement.insertBefore(row.item, listElement.children[at] ?? null)
    })
    listElement.querySelector('.empty')?.remove()
    if (repositories.length === 0) listElement.append(emptyState())
  }

  const followLocation = () => {
    const open = openName()
    for (const [name, row] of rows) setOpen(row, name === open, onError)
  }
  addEventListener('hashchange', followLocation)
  addEventListener('popstate', followLocation)
  more.querySelector('button')?.addEventListener('click', () => {
    wanted += PAGE_SIZE
    void refresh()
  })
  openAddForm()
  return {
    refresh,
    clear: () => {
      rows.clear()
      listElement.replaceChildren()
    },
  }
}

async function load(wanted: number): Promise<{ repositories: Repository[]; isCut: boolean }> {
  const repositories: Repository[] = []
  let after: string | undefined
  do {
    const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(after === undefined ? {} : { after }) })
    const page = record(await get(`/v1/repositories?${query}`))
    repositories.push(...list(page.items).map(readRepository))
    after = raw(page.after) || undefined
  } while (after !== undefined && repositories.length < wanted)
  return { repositories, isCut: after !== undefined }
}

function newRow(repository: Repository, at: number): Row {
  const detailsId = `details-${at}-${Date.now().toString(36)}`
  const link = element(
    'a',
    { href: hashOf(repository.name), 'aria-controls': detailsId, 'aria-expanded': 'false' },
    text(repository.name),
  )
  const head = element('div', { class: 'row' })
  const panel = element('div', { class: 'details', id: detailsId, hidden: true })
  const row: Row = {
    item: element('li', { class: 'repository' }, head, panel),
    head,
    link,
    details: panel,
    drawn: '',
    repository,
  }
  link.addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    toggle(row)
  })
  // The whole row opens it, unless somebody is selecting text.
  head.addEventListener('click', (event) => {
    if (event.defaultPrevented || getSelection()?.isCollapsed === false) return
    toggle(row)
  })
  return row
}

function drawRow(row: Row, repository: Repository, onError: (error: unknown) => void): void {
  const drawn = JSON.stringify(repository)
  if (row.drawn === drawn) return
  const isNews = row.drawn !== ''
  row.drawn = drawn
  row.repository = repository
  const { summary, failure } = repository
  row.head.replaceChildren(
    ring(summary?.health ?? null),
    element('h3', { class: 'name' }, row.link),
    element(
      'p',
      { class: 'sub' },
      ...(summary ? subtitle(summary) : []),
      failure && failureLine(failure.message || failure.code, summary),
    ),
    ...(summary ? figures(summary) : [element('span', { class: 'failed' }, 'failed')]),
  )
  row.item.dataset.state = summary?.isAlerting ? 'alerting' : failure ? 'failed' : 'fine'
  if (isNews) flash(row.item)
  if (!row.details.hidden || openName() === repository.name) void showDetails(row, onError)
}

const subtitle = ({ commit, asOf, isAlerting }: Summary): (Node | string)[] => [
  ...(isAlerting ? [element('strong', { class: 'alert' }, 'below 70'), ' · '] : []),
  element('code', {}, commit.slice(0, COMMIT_SHOWN_CHARS)),
  ' · ',
  timeElement(asOf),
]

const failureLine = (message: string, summary: Summary | undefined): HTMLElement =>
  element('span', { class: 'failure' }, summary ? `Latest attempt failed: ${message}` : message)

function figures({
  grade,
  scorecardCoverage,
  findings,
  history,
  since7Days,
  sincePrevious,
}: Summary): Node[] {
  const change = since7Days ?? sincePrevious
  return [
    element('span', { class: 'line' }, historyLine(history)),
    change
      ? trend(change, since7Days ? '7 days' : 'since last')
      : element('span', { class: 'trend', 'data-direction': 'none' }, 'no trend yet'),
    element('span', { class: 'found' }, counted(findings, 'finding')),
    gradeBadge(grade, scorecardCoverage),
  ]
}

/** A row that changed says so for a moment; `prefers-reduced-motion` turns that off in the style sheet. */
function flash(item: HTMLElement): void {
  item.classList.remove('changed')
  requestAnimationFrame(() => item.classList.add('changed'))
}

const hashOf = (name: string): string => `#repo=${encodeURIComponent(name)}`

function openName(): string | undefined {
  const encoded = /^#repo=(.+)$/.exec(location.hash)?.[1]
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded)
  } catch {
    // A hand-made address that is not valid percent-encoding opens nothing.
    return undefined
  }
}

function toggle({ repository: { name } }: Row): void {
  const isOpen = openName() === name
  history.pushState(null, '', isOpen ? location.pathname : hashOf(name))
  // pushState tells nobody.
  dispatchEvent(new PopStateEvent('popstate'))
}

function setOpen(row: Row, isOpen: boolean, onError: (error: unknown) => void): void {
  if (row.details.hidden === !isOpen) return
  row.details.hidden = !isOpen
  row.link.setAttribute('aria-expanded', String(isOpen))
  if (isOpen) void showDetails(row, onError)
}

async function showDetails(row: Row, onError: (error: unknown) => void): Promise<void> {
  const asked = row.drawn
  row.details.hidden = false
  row.link.setAttribute('aria-expanded', 'true')
  if (row.details.childElementCount === 0)
    row.details.append(element('p', { class: 'hint' }, 'Loading the analysis…'))
  try {
    const answer =
      row.repository.summary &&
      record(await get(`/v1/repositories/${encodeURIComponent(row.repository.name)}`))
    // A later answer has been asked for meanwhile.
    if (row.drawn !== asked) return
    const analysis = answer && readAnalysis(answer.analysis)
    row.details.replaceChildren(...details(row.repository, analysis, () => analyse(row.repository.path)))
  } catch (error) {
    row.details.replaceChildren(
      element('p', { class: 'notice' }, `The analysis cannot be shown: ${sayError(error)}`),
    )
    onError(error)
  }
}

function openAddForm(): void {
  const form = byId('add') as HTMLFormElement
  const answer = byId('add-answer')
  const submit = form.querySelector('button')
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (submit) submit.disabled = true
    answer.textContent = await analyse(String(new FormData(form).get('path')))
    if (submit) submit.disabled = false
  })
}

/** Asks the hub for an analysis; answers in a sentence what became of the request. */
async function analyse(path: string): Promise<string> {
  try {
    const { status, sentence } = record(await act('mirror.analyze', { paths: [path] }))
    return status === 'suspended' ? text(sentence) : 'Started; the result appears here.'
  } catch (error) {
    return sayError(error)
  }
}

const sayError = (error: unknown): string =>
  error instanceof ApiError ? `${text(error.message)} (${text(error.code)})` : String(error)

function summaryOf(repositories: readonly Repository[]): string {
  const alerting = repositories.filter(({ summary }) => summary?.isAlerting).length
  const failed = repositories.filter(({ failure }) => failure).length
  return [
    counted(repositories.length, 'repository', 'repositories'),
    alerting > 0 && `${alerting} below 70`,
    failed > 0 && `${failed} failed`,
  ]
    .filter((part) => part !== false)
    .join(' · ')
}

const emptyState = (): HTMLElement =>
  element(
    'li',
    { class: 'empty' },
    element('p', {}, element('strong', {}, 'No repository has been analysed yet.')),
    element(
      'p',
      {},
      'Run ',
      element('code', {}, 'polity mirror PATH'),
      ' on the machine of the hub, or give a path below.',
    ),
  )
