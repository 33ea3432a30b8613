"""One function per user story; api, console and cli call nothing else. All may raise `SandboxError`.

One module per person, imported by name (`from sandbox.service import opc`, then `opc.ask(…)`), so that
a command loads only what it needs. What they take and give back is in `sandbox.service.reports`.

`home`
- `init(settings: Settings, passphrase: str | None = None) -> InitReport`
- `open_home(settings: Settings, passphrase: str | None = None) -> Home` (None: the settings say where it is)
- `close(home: Home) -> None`
- `actor(home: Home, person: str | None, via: Via) -> Actor` (None: the operator of this machine, CLI only)
- `authenticate(home: Home, bearer: str) -> Actor` (API; the person with the token's one role)

`checkup`
- `doctor(settings: Settings) -> tuple[Finding, ...]`

`opc`
- `datasets(home: Home, actor: Actor) -> tuple[DatasetCard, ...]`
- `describe(home: Home, actor: Actor, dataset: str, form: str, url: str) -> Mapping[str, bytes]`
- `dummy(home: Home, actor: Actor, dataset: str, table: str, count: int, seed: int = 0) -> pa.Table`
- `grants(home: Home, actor: Actor) -> tuple[GrantCard, ...]`
- `ask(home: Home, actor: Actor, sql: str, grant: str, epsilon: Decimal | None = None) -> Answer`
- `estimate(home: Home, actor: Actor, sql: str, grant: str, epsilon: Decimal | None = None) -> Estimate`
- `explain(home: Home, actor: Actor, sql: str, grant: str) -> Decision`
- `budget(home: Home, actor: Actor, grant: str) -> tuple[BudgetState, ...]`

`steward`
- `draft(request: DraftRequest) -> DraftReport` (offline: needs no home)
- `lint(path: Path) -> tuple[Diagnostic, ...]`
- `publish(home: Home, actor: Actor, path: Path) -> Publication`

`loading`
- `plan(home: Home, actor: Actor, request: LoadRequest) -> LoadPlan`
- `load(home: Home, actor: Actor, request: LoadRequest, steps: Steps | None = None) -> LoadReport`
- `quarantine(home: Home, actor: Actor, dataset: str, table: str) -> Iterator[BadRecord]`

`versions`
- `history(home: Home, actor: Actor, dataset: str, table: str) -> tuple[VersionCard, ...]`
- `diff(home: Home, actor: Actor, dataset: str, table: str, old: int, new: int | None = None) -> VersionDiff`
- `rollback(home: Home, actor: Actor, dataset: str, table: str, number: int) -> VersionCard`
- `drop(home: Home, actor: Actor, dataset: str, table: str, …) -> Dropped`

`backup`, `acceptance`
- `backup(home: Home, actor: Actor, target: Path) -> BackupReport`
- `restore(settings: Settings, source: Path, passphrase: str | None = None, …) -> RestoreReport`
- `accept_ledger(home: Home, actor: Actor, log: Path | None = None, …) -> Acceptance`

`operator`
- `create_token(home: Home, actor: Actor, person: str, role: Role, days: int = 30) -> NewToken`
- `list_tokens(home: Home, actor: Actor) -> tuple[TokenCard, ...]`
- `revoke_token(home: Home, actor: Actor, token: str) -> TokenCard`
- `keys_status(home: Home, actor: Actor) -> KeysStatus`
- `rewrap_keys(home: Home, actor: Actor, provider: str, passphrase: str | None = None, …) -> Rotation`
- `rotate_keys(home: Home, actor: Actor, new_passphrase: str | None = None) -> Rotation`

`auditor`
- `show_log(home: Home, actor: Actor, which: LogFilter) -> tuple[LogLine, ...]`
- `export_log(home: Home, actor: Actor, folder: Path) -> ExportReport`
- `verify_log(folder: Path, key: str | None = None, …) -> Report` (offline: needs no home and no key)

A `Home` may be used by several threads at once.
"""
