@_spi(Simulation) import CoordinatorCore
import FleetProtocol
@_spi(Simulation) import NetworkTypes

/// What one input left to do: events to make durable, then effects to perform.
struct WorkItem {
    var events: [CoordinatorEvent] = []
    var effects: [CoordinatorEffect] = []
    var image: CoordinatorSnapshot?
}

/// One process of the coordinator.
struct CoordinatorProcess {
    var machine: CoordinatorMachine
    let startedAt: Int64
    var isAlive = true
    var pausedUntil: Int64 = 0
    var queued: [WorkItem] = []
    /// In the write that is under way.
    var writing: [WorkItem] = []
    var isWriting = false
    var eventsSinceSnapshot: Int
}

/// The shell around the coordinator's machine, with the contracts of the `Coordinator` module: nothing leaves before its
/// events are durable, items are performed in order, and a store that cannot be written ends the process.
extension World {
    /// The clock that a process hands to its machine.
    func clock(of process: Int) -> Instant {
        // Planted: the wall clock steps under the machine's feet.
        if planted.contains(.quarantineByWallClock) { return Instant(nanoseconds: now + clocks.wallOffset) }
        return Instant(nanoseconds: now - processes[process].startedAt)
    }

    mutating func feed(_ input: CoordinatorInput, toCoordinator process: Int) {
        let effects = processes[process].machine.handle(input, at: clock(of: process))
        guard !effects.isEmpty else { return }
        take(effects, from: process)
    }

    private mutating func take(_ effects: [CoordinatorEffect], from process: Int) {
        var item = WorkItem()
        for effect in effects {
            if case .persist(let events) = effect { item.events = events } else { item.effects.append(effect) }
        }
        if !item.events.isEmpty {
            observe(item.events, by: process)
            processes[process].eventsSinceSnapshot += item.events.count
            if processes[process].eventsSinceSnapshot >= plan.eventsPerSnapshot {
                processes[process].eventsSinceSnapshot = 0
                item.image = processes[process].machine.snapshot()
            }
        }
        for effect in item.effects { observe(decided: effect, by: process) }
        // Planted: what is not stored yet is spoken of.
        if planted.contains(.leaseTwiceAfterFailover) {
            for effect in item.effects { perform(effect, by: process) }
            item.effects = []
        }
        processes[process].queued.append(item)
        startWriting(process)
    }

    private mutating func startWriting(_ process: Int) {
        guard !processes[process].isWriting, !processes[process].queued.isEmpty else { return }
        processes[process].isWriting = true
        processes[process].writing = processes[process].queued
        processes[process].queued = []
        queue.put(.storeSync, process, at: now + diskDice.time(storeTime / 4, storeTime))
    }

    mutating func storeSynced(by process: Int) {
        guard processes[process].isAlive, processes[process].isWriting else { return }
        if processes[process].pausedUntil > now {
            return queue.put(.storeSync, process, at: processes[process].pausedUntil)
        }
        let items = processes[process].writing
        let writes = items.contains { !$0.events.isEmpty }
        if writes, store.owner != process {
            probes.hit(.deposedLeaderRefusedByStore)
            return killCoordinator(process, why: "the store is another's")
        }
        if writes, store.isFull {
            probes.hit(.storeFull)
            return killCoordinator(process, why: "the store is full")
        }
        processes[process].writing = []
        processes[process].isWriting = false
        keep(items)
        for item in items {
            for effect in item.effects { perform(effect, by: process) }
        }
        startWriting(process)
    }

    private mutating func keep(_ items: [WorkItem]) {
        for item in items {
            store.append(item.events)
            if let image = item.image { store.save(image) }
        }
    }

    private mutating func perform(_ effect: CoordinatorEffect, by process: Int) {
        switch effect {
        case .persist: break
        case .send(let stream, let position, let message):
            send(message, at: position, on: Int(stream.rawValue))
        case .close(let stream, _): close(Int(stream.rawValue))
        case .reply(let request, let result): answer(request, result)
        case .notice(let notice):
            trace("c\(process)", "notice", "\(notice.code): \(notice.message)")
            note(notice)
        }
    }

    // MARK: Start and end

    mutating func startCoordinatorIfNone() {
        guard leader < 0 || !processes[leader].isAlive else { return }
        startCoordinator()
    }

    /// Takes the store, whoever has it, and recovers from it.
    mutating func startCoordinator() {
        let process = processes.count
        store.owner = process
        let seed = identityDice.next()
        do throws(CoordinatorError) {
            var machine: CoordinatorMachine
            if let snapshot = store.snapshot {
                probes.hit(.snapshotRestored)
                machine = try CoordinatorMachine(
                    restoring: snapshot, configuration: plan.coordinator, randomSeed: seed)
            } else {
                machine = try CoordinatorMachine(configuration: plan.coordinator, randomSeed: seed)
            }
            machine.planted = planted
            for event in store.events { machine.replay(event) }
            if let contradiction = machine.contradiction() { throw contradiction }
            trace("c\(process)", "start", "\(store.events.count) events")
            processes.append(
                CoordinatorProcess(machine: machine, startedAt: now, eventsSinceSnapshot: store.events.count))
            leader = process
            observeTakeover()
            let effects = processes[process].machine.recovered(
                at: clock(of: process), restoredFromBackup: store.isDeclaredOld)
            take(effects, from: process)
            queue.put(.coordinatorTick, process, at: now + 50 * Time.millisecond)
        } catch {
            violate(3, "the coordinator does not come back from its own store: \(error)")
        }
    }

    mutating func coordinatorTick(_ process: Int) {
        guard processes[process].isAlive else { return }
        if processes[process].pausedUntil > now {
            return queue.put(.coordinatorTick, process, at: processes[process].pausedUntil)
        }
        feed(.tick, toCoordinator: process)
        var wait = Time.second
        if let due = processes[process].machine.nextDeadline {
            let left = due.nanoseconds - clock(of: process).nanoseconds
            wait = min(wait, max(50 * Time.millisecond, left))
        }
        queue.put(.coordinatorTick, process, at: now + wait)
    }

    /// The batch under way is one transaction: it is stored whole, or not at all.
    mutating func killCoordinator(_ process: Int, why: String) {
        guard processes[process].isAlive else { return }
        trace("c\(process)", "ended", why)
        processes[process].isAlive = false
        if store.owner == process, !store.isFull, processes[process].isWriting, diskDice.chance(0.5) {
            keep(processes[process].writing)
        }
        processes[process].writing = []
        processes[process].queued = []
        for index in streams.indices where streams[index].process == process && !streams[index].isBroken {
            breakStream(index, noticeMax: 20 * Time.millisecond)
        }
        commandsFailed(of: process)
        if process == leader {
            let pause = diskDice.time(100 * Time.millisecond, phase == .safety ? plan.faultLength : Time.second)
            queue.put(.coordinatorStart, 0, at: now + pause)
        }
    }
}
