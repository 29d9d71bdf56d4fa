import AgentCore
import CSystemShim
public import DaemonSupport
import FleetProtocol
import Journal
import LocalAPI
import Logging
import Netlink
import NetworkTypes
import ServiceLifecycle

/// The agent as a process: recovery, then the services around the shell.
public struct AgentDaemon: Sendable {
    let settings: AgentSettings
    let shell: AgentShell
    let worker: KernelWorker
    let telemetry: TelemetryWorker
    let reaper: PortReaper
    let kernelWork: WorkQueue<KernelWork>
    let outcomes: WorkQueue<AgentInput>
    let journal: Journal
    let link: CoordinatorLink
    let local: VarlinkServer
    let logger: Logger

    /// Runs until SIGTERM or SIGINT. Stopping changes no kernel state.
    ///
    /// - Throws: ``AgentStartError``, `NetlinkError`, `JournalError`, `VarlinkServerError`; see ``exitCode(for:)``.
    public static func run(
        settings: AgentSettings, configurationFile: String, environment: DaemonEnvironment
    ) async throws {
        outrider_memory_prepare()
        let control = LogControl(level: settings.logLevel)
        let logger = Logger.daemon(label: "outrider-agent", control: control, journalStream: environment.journalStream)
        logger.info("starting", metadata: ["version": "\(Version.current)", "configuration": "\(configurationFile)"])
        let namespace = try AgentChecks.namespace(settings)
        let lock = try NamespaceLock(namespace.overlay.namespace)
        if settings.mode == .serve { _ = try AgentChecks.requireFeatures(settings, namespace) }
        let daemon = try await AgentDaemon(settings, namespace: namespace, logger: logger)
        let notifier = ServiceManagerNotifier(socketPath: environment.notifySocket)
        defer { withExtendedLifetime(lock) {} }
        try await Daemon(logger: logger, control: control, notifier: notifier) {
            try AgentSettings.load(file: configurationFile).logLevel
        }.run(daemon.services(notifier: notifier))
    }

    private init(_ settings: AgentSettings, namespace: OverlayNamespace, logger: Logger) async throws {
        self.settings = settings
        self.logger = logger
        let facts = try HostFacts.read(settings, host: namespace.host, overlay: namespace.overlay)
        if let former = facts.former {
            logger.notice("the tunnel endpoint changes", metadata: ["from": "\(former)", "to": "\(settings.vtep)"])
        }
        guard let group = localGroupID(named: settings.socketGroup) else {
            throw AgentStartError.noSuchGroup(settings.socketGroup)
        }
        let opened = try Self.openJournal(settings, facts, logger)
        journal = opened.journal
        let identity = AgentIdentity(host: settings.host, incarnation: opened.identity.incarnation, boot: facts.boot)
        var random = SystemRandomNumberGenerator()
        let machine = AgentMachine(
            configuration: AgentCoreConfiguration(
                fingerprint: facts.fingerprint, vtep: settings.vtep, former: facts.former,
                underlayMTU: facts.underlayMTU, version: Version.current, echoInterval: settings.echoInterval,
                observesOnly: settings.mode == .observe), identity: identity, randomSeed: random.next())
        kernelWork = WorkQueue()
        outcomes = WorkQueue()
        let ports = PortBook()
        let store = try await TelemetryStore.open(
            directory: settings.stateDirectory, identity: opened.identity, boot: facts.boot, logger: logger)
        reaper = PortReaper(sockets: namespace.overlay, outcomes: outcomes)
        worker = KernelWorker(
            vtep: facts.endpoint(settings), observesOnly: settings.mode == .observe,
            addressing: settings.addressing == .responder ? .responder(dns: settings.dnsServers) : .off,
            namespace: namespace, work: kernelWork, reaper: reaper, ports: ports, outcomes: outcomes, logger: logger)
        telemetry = TelemetryWorker(
            interval: settings.sampleInterval, namespace: namespace, ports: ports,
            observation: ObservationPlan(rules: settings.observe, libvirtFolders: settings.libvirtRuntime),
            readsOverlay: settings.mode == .serve, store: store, clock: BootClock(), logger: logger)
        shell = AgentShell(
            machine: machine, journal: opened.journal, store: store, kernel: kernelWork, outcomes: outcomes,
            clock: BootClock(), logger: logger)
        link = CoordinatorLink(
            host: settings.coordinator.hostText, port: Int(settings.coordinator.port), identity: identity,
            logger: logger)
        local = try VarlinkServer.listen(
            path: settings.socket, group: group, version: Version.current,
            agent: LocalService(
                shell: shell, worker: worker, telemetry: telemetry, stateDirectory: settings.stateDirectory))
        let adopted = try await worker.adoptPorts()
        let sound = try await opened.replaced(runningPorts: adopted, logger: logger)
        await shell.recover(sound.entries, ports: adopted, journalLost: sound.isNew && !adopted.isEmpty)
    }

    private static func openJournal(
        _ settings: AgentSettings, _ facts: HostFacts, _ logger: Logger
    ) throws -> AgentJournal {
        do {
            return try AgentJournal.open(
                directory: settings.stateDirectory, fingerprint: facts.fingerprint, boot: facts.boot, logger: logger)
        } catch is ForeignJournal {
            return try AgentJournal.open(
                directory: settings.stateDirectory, fingerprint: facts.fingerprint, boot: facts.boot, logger: logger)
        }
    }

    /// In starting order; they end in reverse.
    private func services(notifier: ServiceManagerNotifier) -> [any Service] {
        [
            KernelService(worker: worker, reaper: reaper, work: kernelWork),
            MachineService(shell: shell, journal: journal, store: telemetry.store),
            TelemetryService(worker: telemetry, shell: shell),
            AuditService(interval: settings.reconcileInterval, work: kernelWork), LinkService(link: link, shell: shell),
            SocketService(server: local, settings: settings, notifier: notifier, logger: logger),
        ]
    }
}

/// The kernel's writer. Ends last, after everything that was decided has been written.
private struct KernelService: Service {
    let worker: KernelWorker
    let reaper: PortReaper
    let work: WorkQueue<KernelWork>
    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await reaper.run() }
                defer { reaper.finish() }
                try await worker.run()
            }
        } onGracefulShutdown: {
            work.finish()
        }
    }
}

/// The machine's inputs from journal, kernel and clock.
private struct MachineService: Service {
    let shell: AgentShell
    let journal: Journal
    let store: TelemetryStore
    func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await shell.takeOutcomes() }
            group.addTask {
                try? await cancelWhenGracefulShutdown { try await shell.tick() }
                await shell.stop()
            }
            await group.waitForAll()
        }
        await journal.close()
        await store.close()
    }
}

/// Reads counters at their interval. Ends before the machine that takes them.
private struct TelemetryService: Service {
    let worker: TelemetryWorker
    let shell: AgentShell
    func run() async throws {
        try? await cancelWhenGracefulShutdown { try await worker.run(for: shell) }
    }
}

/// Asks for audits at their interval.
private struct AuditService: Service {
    let interval: Duration
    let work: WorkQueue<KernelWork>
    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                try await Task.sleep(for: interval)
                work.put(.resync(reason: "audit"))
            }
        }
    }
}

private struct LinkService: Service {
    let link: CoordinatorLink
    let shell: AgentShell
    func run() async throws {
        await cancelWhenGracefulShutdown { await link.run(owner: shell) }
    }
}

private struct SocketService: Service {
    let server: VarlinkServer
    let settings: AgentSettings
    let notifier: ServiceManagerNotifier
    let logger: Logger
    func run() async throws {
        logger.warning("the coordinator is reached without encryption: use a network that you trust")
        logger.info("ready", metadata: ["socket": "\(settings.socket)"])
        notifier.ready(status: "serving \(settings.socket)")
        await cancelWhenGracefulShutdown { await server.run() }
    }
}
