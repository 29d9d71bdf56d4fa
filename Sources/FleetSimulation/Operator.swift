import Allocation
import CoordinatorCore
import FleetProtocol
import NetworkTypes

/// An application as its owner knows it.
struct ClientApplication {
    var id: ApplicationID
    var name: String
    var policy: ApplicationPolicy
    /// Rises with every application that had this place.
    var generation = 0
    var isConfirmed = false
}

/// What an operator asked and has no answer to yet.
struct PendingCommand {
    enum Kind {
        case create(Int)
        case update(Int)
        case delete(Int)
        case allocate(application: ApplicationID, key: String, count: Int)
        case replace(Int)
        case migrate(Int)
        case reclaim, release
    }
    var kind: Kind
    var process: Int
}

/// An acknowledged AllocateRange: it must be found again under its key, with the same content.
struct RangePromise {
    var application: ApplicationID
    var key: String
    var reservation: ReservationID
    var range: SNIRange
}

extension World {
    mutating func addApplication(_ number: Int) {
        let id = ApplicationID(identityDice.uuid())
        applications.append(ClientApplication(id: id, name: "app-\(number)-0", policy: drawPolicy()))
    }

    private mutating func drawPolicy() -> ApplicationPolicy {
        let block = operatorDice.pick([4, 8, 16])
        let cap = operatorDice.pick([0, 0, 64, 128])
        return ApplicationPolicy(
            priority: operatorDice.pick(PriorityClass.allCases), mode: operatorDice.pick([.observe, .reserve, .stage]),
            floor: operatorDice.pick([0, 0, 8]), cap: cap, blockSize: block,
            allowed: applications.count > 1 && operatorDice.chance(0.3)
                ? [applications[operatorDice.below(applications.count)].id] : [])
    }

    /// - Parameter isExtra: out of turn; the usual rhythm goes on beside it.
    mutating func operate(isExtra: Bool) {
        guard phase == .safety || phase == .liveness else { return }
        if !isExtra { queue.put(.operate, 0, at: now + operatorDice.wait(mean: plan.operatorMean)) }
        // What was asked for and never confirmed is asked for again, with the same identity.
        if let missing = applications.indices.first(where: { !applications[$0].isConfirmed }) { return create(missing) }
        guard phase == .safety else { return }
        if !isExtra, operatorDice.chance(0.3) { return mend(operatorDice.below(plan.hosts)) }
        let index = operatorDice.below(applications.count)
        if isImpatient {
            // A mark was not answered in time: it is asked for again, while the answer may still be under way.
            isImpatient = false
            let target = ReclaimTarget.application(applications[index].id.description)
            return command(.reclaim(target, dryRun: false, reason: "by hand", force: false), .reclaim)
        }
        switch operatorDice.below(12) {
        case 0...3: allocate(index)
        case 4, 5: reclaim(index)
        case 6: update(index)
        case 7: delete(index)
        case 8: release()
        case 9: command(.createSession(applications[index].name, label: "run"), .release)
        case 10: repeatPromise()
        default: makeCopies()
        }
    }

    /// Backups of the store and of the journals.
    private mutating func makeCopies() {
        store.makeBackup()
        for host in hosts.indices where hosts[host].aside == nil {
            var copy = hosts[host].journal
            _ = copy.tear(keeping: 0)
            copy.isFull = false
            hosts[host].copy = copy
        }
    }

    mutating func command(_ command: Command, _ kind: PendingCommand.Kind) {
        guard leader >= 0, processes[leader].isAlive, processes[leader].pausedUntil <= now else { return }
        lastCommand += 1
        commands[lastCommand] = PendingCommand(kind: kind, process: leader)
        trace("op", "command", command.summary)
        feed(.command(RequestID(lastCommand), command), toCoordinator: leader)
    }

    private mutating func create(_ index: Int) {
        let application = applications[index]
        let policy = application.policy
        command(.createApplication(name: application.name, policy: policy, id: application.id), .create(index))
    }

    private mutating func update(_ index: Int) {
        var policy = drawPolicy()
        policy.allowed.removeAll { $0 == applications[index].id }
        let known = Set(applications.filter(\.isConfirmed).map(\.id))
        policy.allowed = policy.allowed.filter { known.contains($0) }
        applications[index].policy = policy
        command(
            .updateApplication(applications[index].id.description, policy: policy, expectedRevision: 0),
            .update(index))
    }

    private mutating func delete(_ index: Int) {
        command(.deleteApplication(applications[index].id.description), .delete(index))
    }

    private mutating func allocate(_ index: Int) {
        let key = "key-\(lastCommand)"
        let id = applications[index].id
        let count = operatorDice.pick([4, 16, 40, 200])
        command(
            .allocateRange(
                id.description, count: count, confidence: operatorDice.unit(), idempotencyKey: key, lifetime: nil),
            .allocate(application: id, key: key, count: count))
    }

    /// The same key again: the same answer, also from another process of the coordinator.
    private mutating func repeatPromise() {
        guard let promise = promises.last else { return }
        probes.hit(.idempotentAnswer)
        command(
            .allocateRange(
                promise.application.description, count: 16, confidence: 0, idempotencyKey: promise.key, lifetime: nil),
            .allocate(application: promise.application, key: promise.key, count: 0))
    }

    private mutating func release() {
        guard let promise = promises.last else { return }
        command(.releaseReservation(promise.reservation, reason: "not needed"), .release)
    }

    private mutating func reclaim(_ index: Int) {
        probes.hit(.reclaimByHand)
        let target: ReclaimTarget
        switch operatorDice.below(4) {
        case 0: target = .host(hosts[operatorDice.below(plan.hosts)].name)
        case 1: target = .application(applications[index].id.description)
        case 2:
            let first = plan.coordinator.pool[0].first.rawValue + UInt32(operatorDice.below(256))
            target = .range(SNIRange(unchecked: first, count: 32))
        default:
            guard let port = checks.randomPort(&operatorDice) else { return }
            target = .identifier(SessionNetworkID(unchecked: port.sni))
        }
        let isForced = operatorDice.chance(0.3)
        if isForced { probes.hit(.forcedDrain) }
        command(
            .reclaim(target, dryRun: operatorDice.chance(0.1), reason: "by hand", force: isForced), .reclaim)
    }

    // MARK: Answers

    mutating func commandsFailed(of process: Int) {
        for (id, pending) in commands where pending.process == process { commands[id] = nil }
    }

    mutating func answer(_ request: CoordinatorCore.RequestID, _ result: Result<Reply, CoordinatorError>) {
        guard let pending = commands.removeValue(forKey: request.rawValue) else { return }
        trace("op", "answer", "\(result.summary)")
        switch (pending.kind, result) {
        case (.create(let index), .success): applications[index].isConfirmed = true
        case (.create(let index), .failure(let error)): createFailed(index, error)
        case (.delete(let index), .success): replace(index)
        case (.replace(let host), .success):
            // The installation that the old journal belongs to gets no grant any more.
            hosts[host].aside = nil
            hosts[host].isImpostor = false
        case (.allocate(let application, let key, let count), .success(.range(let grant))):
            if grant.granted < count { probes.hit(.partialGrant) }
            observe(granted: grant, to: application)
            if let earlier = promises.first(where: { $0.key == key && $0.application == application }),
                earlier.reservation != grant.reservation.id || earlier.range != grant.range
            {
                violate(3, "AllocateRange \(key) was \(earlier.range) and is \(grant.range) when asked again")
            }
            promises.append(
                RangePromise(
                    application: application, key: key, reservation: grant.reservation.id, range: grant.range))
        case (.migrate(let journey), .success(.migration)): permitted(journey)
        case (.migrate(let journey), .failure): forbidden(journey)
        case (.update(let index), .failure(.unknownApplication)), (.delete(let index), .failure(.unknownApplication)):
            applications[index].isConfirmed = false
        case (_, .failure(.quota)): probes.hit(.quotaRefused)
        case (_, .failure(.exhausted)): probes.hit(.poolExhausted)
        default: break
        }
    }

    private mutating func createFailed(_ index: Int, _ error: CoordinatorError) {
        switch error {
        case .unknownApplication, .exhausted: applications[index].policy = ApplicationPolicy(blockSize: 8)
        case .invalid, .duplicate, .duplicateName: replace(index)
        default: break
        }
    }

    /// Its place goes to another application: identities are never used again.
    private mutating func replace(_ index: Int) {
        let generation = applications[index].generation + 1
        applications[index] = ClientApplication(
            id: ApplicationID(identityDice.uuid()), name: "app-\(index)-\(generation)", policy: drawPolicy(),
            generation: generation)
    }

    /// In the last phase every application goes.
    mutating func deleteEverything() {
        guard leader >= 0, processes[leader].isAlive else { return }
        for application in processes[leader].machine.applications() where !application.deleting {
            command(.deleteApplication(application.id.description), .release)
        }
    }
}
