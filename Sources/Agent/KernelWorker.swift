import AgentCore
import CSystemShim
import Dataplane
import FleetProtocol
import Glibc
import Logging
import Netlink
import NetworkTypes

/// The agent's one writer to the kernel: desired state in, plans out, outcomes back to the shell.
///
/// Runs on a queue of its own. It decides nothing about leases or bindings; what is ours and what may be deleted is
/// ``Dataplane/OwnershipPolicy``'s word.
actor KernelWorker {
    /// Attempts within one call before what is left stays pending for the next reconciliation.
    static let attemptsMax = 4
    /// Changes by others are looked at together, at most this often.
    static let resyncPause = Duration.milliseconds(500)

    private let executor = QueueExecutor(label: "outrider.kernel")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// What is sent from at the start.
    let vtep: IPAddress
    /// Nothing is ever written; what is asked for counts as done where that changes no VM, and is refused where it would.
    let observesOnly: Bool
    let addressing: GuestAddressing
    var responder: GuestResponder?
    /// Why there is none, as it was told last.
    var responderProblem: String?
    let namespace: OverlayNamespace
    let work: WorkQueue<KernelWork>
    let reaper: PortReaper
    let outcomes: WorkQueue<AgentInput>
    let logger: Logger

    var kernel: KernelDataplane?
    var state: DataplaneState?
    let ports: PortBook
    var repairs: UInt64 = 0
    /// Paths of the underlay that cannot carry the overlay, as of the last audit.
    var pathProblems: [String] = []
    /// Answers to echoes of the latest round come in here.
    var echoSocket: EchoSocket?
    /// Longest packet of a VM that every path carried, at its least, bytes.
    private var narrowest = Int.max
    private var taken: NetlinkError?
    /// Settings to bring the overlay up with, kept for another attempt.
    private var wanted: (grant: BootGrant, deletes: DeletionScope)?
    /// What is desired while there is no overlay yet.
    private var early: [DataplaneChange] = []
    var monitorTasks: [Task<Void, Never>] = []
    var resyncQueued = false
    /// End of the last reconciliation that an event asked for.
    var lastResync: ContinuousClock.Instant?
    /// Runs until the next reconciliation that an event asked for may begin.
    var pause: Task<Void, Never>?
    /// Devices of ours that were seen up: going down takes routes and nexthops along without an event for them.
    let raised = RaisedDevices()
    /// Ports on standby whose guest is listened for.
    var arrivals: [SessionNetworkID: Arrival] = [:]

    init(
        vtep: IPAddress, observesOnly: Bool, addressing: GuestAddressing, namespace: OverlayNamespace,
        work: WorkQueue<KernelWork>,
        reaper: PortReaper, ports: PortBook, outcomes: WorkQueue<AgentInput>, logger: Logger
    ) {
        self.observesOnly = observesOnly
        self.addressing = addressing
        self.ports = ports
        self.vtep = vtep
        self.namespace = namespace
        self.work = work
        self.reaper = reaper
        self.outcomes = outcomes
        self.logger = logger
    }

    /// Runs until the queue is finished.
    ///
    /// - Throws: what kept the overlay from coming up when somebody else holds the device's name or UDP port: no later
    ///   attempt can mend that, so the operator must hear of it.
    func run() async throws(NetlinkError) {
        await work.consume { batch in process(batch) }
        for task in monitorTasks { task.cancel() }
        pause?.cancel()
        responder?.stop()
        if let taken { throw taken }
    }

    /// Adopts what runs: ports by name and mark.
    func adoptPorts() throws(NetlinkError) -> [AdoptedPort] {
        guard !observesOnly else { return [] }
        return try RouteSocket(in: namespace.overlay).ports().map { sni, link in
            ports.put(
                sni, index: link.index, isNew: false, application: PortMark(link.alias)?.application,
                mac: PortMark(link.alias)?.mac)
            if link.isUp { raised.insert(link.index) }
            return AdoptedPort(sni, link)
        }
    }

    // MARK: Work

    private func process(_ batch: [KernelWork]) {
        var applied: [Applied] = []
        for item in batch {
            guard !observesOnly else {
                leaveOut(item)
                continue
            }
            switch item {
            case .apply(let changes, let token): merge(changes, token, into: &applied)
            // A port that is made touches nothing that waits here: launches that come together share their writes.
            case .createPort: carryOut(item)
            case .ensureOverlay, .movePort, .deletePort, .echo, .resync:
                flush(&applied)
                carryOut(item)
            }
        }
        flush(&applied)
    }

    /// On a host that only observes.
    private func leaveOut(_ item: KernelWork) {
        let refusal = PortFailure.failed("this host only observes (mode: observe)")
        switch item {
        case .apply(_, let token): outcomes.put(.dataplaneApplied(token, .success(())))
        case .createPort(_, let token), .movePort(_, let token): outcomes.put(.portCreated(token, .failure(refusal)))
        case .deletePort(_, let token): outcomes.put(.portDeleted(token, .failure(refusal)))
        case .ensureOverlay, .echo, .resync: break
        }
    }

    private func carryOut(_ item: KernelWork) {
        switch item {
        case .apply: break
        case .ensureOverlay(let grant, let deletes): ensureOverlay(grant, deletes: deletes)
        case .createPort(let order, let token): outcomes.put(.portCreated(token, createPort(order)))
        case .movePort(let move, let token): outcomes.put(.portCreated(token, movePort(move)))
        case .deletePort(let removal, let token): deletePort(removal, token)
        case .echo(let endpoints, let round): echo(endpoints, round: round)
        case .resync(let reason):
            resyncQueued = false
            resync(reason: reason)
            lastResync = .now
        }
    }

    /// Merges one set of changes into the desired state; changes that no kernel could express are answered at once.
    private func merge(_ changes: [DataplaneChange], _ token: Token, into applied: inout [Applied]) {
        guard state != nil else {
            early += changes
            let reason = "the overlay is not up: no boot grant yet, or the device could not be made"
            outcomes.put(.dataplaneApplied(token, .failure(DataplaneFailure(reason: reason))))
            return
        }
        var touched: Set<KernelKey> = []
        do throws(DataplaneError) {
            for change in changes { touched.formUnion(try state?.apply(change) ?? []) }
        } catch {
            logger.error("change refused: \(error)")
            outcomes.put(.dataplaneApplied(token, .failure(DataplaneFailure(reason: error.description))))
            return
        }
        applied.append(Applied(token: token, keys: changes.isEmpty ? nil : touched))
    }

    /// One merged set of changes; no keys asks about everything.
    private struct Applied {
        var token: Token
        var keys: Set<KernelKey>?
    }

    /// Writes what is merged and answers every token by whether its own keys are in the kernel.
    private func flush(_ applied: inout [Applied]) {
        guard !applied.isEmpty, state != nil else { return }
        converge()
        finishEndpoint()
        for entry in applied { outcomes.put(.dataplaneApplied(entry.token, result(for: entry.keys))) }
        applied = []
        followArrivals()
    }

    private func result(for keys: Set<KernelKey>?) -> Result<Void, DataplaneFailure> {
        guard let tracker = state?.tracker else { return .failure(DataplaneFailure(reason: "no overlay")) }
        if keys == nil, tracker.pendingCount > 0, tracker.failures.isEmpty {
            return .failure(DataplaneFailure(reason: "\(tracker.pendingCount) objects not yet written"))
        }
        guard let key = keys?.filter(tracker.isPending).min() ?? (keys == nil ? tracker.failures.keys.min() : nil)
        else {
            // Only what concerns peers waits for that: a launch does not.
            let isMoving = kernel?.configuration.vtep != state?.model.configuration.vtep
            guard isMoving, keys?.contains(where: { $0.kind == .nexthop }) ?? true else { return .success(()) }
            return .failure(DataplaneFailure(reason: "the device does not have the new endpoint yet"))
        }
        let reason = tracker.failures[key]?.reason ?? "held by an entry of somebody else, or not yet written"
        return .failure(DataplaneFailure(reason: "\(key): \(reason)"))
    }

    /// Plan and execute until nothing is left, an error survives the attempts, or only foreign entries obstruct.
    func converge() {
        guard let kernel, state != nil else { return }
        for _ in 0..<Self.attemptsMax {
            if state?.tracker.needsResync == true || state?.tracker.needsRecheck == true { observe(kernel) }
            guard let plan = state?.plan(), !plan.isEmpty else {
                if state?.tracker.needsRecheck == true { continue }
                return
            }
            let outcome = kernel.execute(plan)
            for operation in outcome.completed { state?.completed(operation) }
            for (operation, error) in outcome.failed {
                logger.warning("kernel refused \(operation.key)", metadata: ["reason": "\(error)"])
                state?.failed(operation, reason: error.description)
            }
        }
    }

    /// The device gets the new endpoint when everything is sent from it: what the device says is what a later process
    /// takes for the endpoint in use.
    private func finishEndpoint() {
        guard let kernel, let state else { return }
        let wanted = state.model.configuration.vtep
        guard kernel.configuration.vtep != wanted, !state.tracker.hasPending(.nexthop) else { return }
        do throws(NetlinkError) {
            try kernel.useEndpoint(wanted)
            logger.notice("sending from the new tunnel endpoint", metadata: ["vtep": "\(wanted)"])
        } catch {
            logger.error("the device did not take the new endpoint: \(error)")
        }
    }

    private func observe(_ kernel: KernelDataplane) {
        do throws(NetlinkError) {
            state?.resync(try kernel.dump())
        } catch {
            logger.error("kernel state could not be read", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: Overlay

    private func ensureOverlay(_ grant: BootGrant, deletes: DeletionScope) {
        wanted = (grant, deletes)
        let configuration = configuration(grant)
        if let kernel {
            if !kernel.configuration.differsByEndpointOnly(from: configuration) {
                logger.warning("the installation's overlay settings changed; restart the agent to apply them")
            }
            state?.setDeletes(deletes)
            resync(reason: "granted again")
            return
        }
        do throws(NetlinkError) {
            try namespace.configure()
            let fresh = try KernelDataplane(configuration: configuration, namespace: namespace)
            let model = DataplaneState(configuration: configuration, deletes: deletes)
            // Subscribed before the first dump, so that no change falls between the two.
            try watch(fresh)
            try prepare(fresh, state: model, keepsPresent: true)
            kernel = fresh
            state = model
            answerGuests(configuration)
            // Nothing is written here: what the journal wants comes next, and until then all would look superfluous.
            takeEarly()
        } catch {
            if error.isExists || error.isBusy {
                taken = error
                work.finish()
            } else {
                logger.error("the overlay could not be brought up, next attempt at the next audit: \(error)")
            }
        }
    }

    private func takeEarly() {
        defer { early = [] }
        for change in early {
            do throws(DataplaneError) {
                try state?.apply(change)
            } catch {
                logger.error("change refused: \(error)")
            }
        }
        if !early.isEmpty { converge() }
        followArrivals()
    }

    private func prepare(
        _ kernel: KernelDataplane, state: DataplaneState, keepsPresent: Bool = false
    ) throws(NetlinkError) {
        let elements = state.tracker.desiredElements
        let preparation = try kernel.prepare(
            mayReplace: state.tracker.policy.deletes == .everything, keepsPresent: keepsPresent,
            elements: { elements })
        raised.insert(preparation.device.index)
        if preparation.device.isNew { logger.notice("overlay device made") }
        if !preparation.replacedTables.isEmpty {
            logger.notice("filter tables made: \(preparation.replacedTables.joined(separator: ", "))")
        }
    }

    /// Compares with the kernel and repairs. Writes nothing when all agrees.
    func resync(reason: String) {
        guard let kernel, let current = state else {
            if let wanted { ensureOverlay(wanted.grant, deletes: wanted.deletes) }
            return
        }
        logger.debug("reconciling", metadata: ["reason": "\(reason)"])
        let before = kernel.writes
        do throws(NetlinkError) {
            try prepare(kernel, state: current)
        } catch {
            logger.error("the overlay could not be repaired: \(error)")
        }
        state?.queueResync()
        converge()
        finishEndpoint()
        if kernel.writes != before {
            repairs += 1
            logger.notice(
                "repaired the kernel's state", metadata: ["reason": "\(reason)", "writes": "\(kernel.writes - before)"])
        }
        answerGuests(kernel.configuration)
        followArrivals(recheck: true)
        checkPaths(kernel)
        outcomes.put(.hostReport(report()))
        // The kernel's whole state was in memory twice.
        outrider_memory_return()
    }

    /// Narrow paths of the underlay: an operator must hear of them, and VMs learn what gets through.
    private func checkPaths(_ kernel: KernelDataplane) {
        let endpoints = (state?.tracker.desiredElements ?? []).compactMap { element -> IPAddress? in
            if case .vtep(let address) = element { address } else { nil }
        }
        do throws(NetlinkError) {
            let paths = try kernel.paths(to: endpoints)
            for problem in paths.problems where !pathProblems.contains(problem) { logger.warning("\(problem)") }
            pathProblems = paths.problems
            // What the underlay taught is forgotten after minutes; a size that was too much once stays so.
            narrowest = min(narrowest, paths.mtu)
            try kernel.limitIPv6(to: narrowest)
        } catch {
            logger.warning("paths of the underlay could not be read", metadata: ["reason": "\(error)"])
        }
    }
}
