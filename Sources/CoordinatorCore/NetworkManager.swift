import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SNISpace

/// Network Manager: reservations.
extension CoordinatorMachine {
    mutating func perform(_ command: Command) -> Result<Reply, CoordinatorError> {
        do throws(CoordinatorError) {
            return .success(try run(command))
        } catch {
            return .failure(error)
        }
    }

    private mutating func run(_ command: Command) throws(CoordinatorError) -> Reply {
        switch command {
        case .createApplication(let name, let policy, let id): try createApplication(name, policy, id)
        case .updateApplication(let reference, let policy, let expected):
            try updateApplication(reference, policy, expected)
        case .deleteApplication(let reference): try deleteApplication(reference)
        case .createSession(let reference, let label): try createSession(reference, label)
        case .endSession(let id): try endSession(id)
        case .allocateRange(let reference, let count, let confidence, let key, let lifetime):
            try allocateRange(reference, count, confidence, key, lifetime)
        case .extendReservation(let id, let lifetime): try extendReservation(id, lifetime)
        case .releaseReservation(let id, let reason): try releaseReservation(id, reason)
        case .reclaim(let target, let dryRun, let reason, let force):
            try reclaim(target, dryRun: dryRun, reason: reason, force: force)
        case .applySharding(let document): try applySharding(document)
        case .thawHost(let host, let keep): try thaw(host, keep: keep)
        case .fenceHost(let host, let proof, let reason): try fence(host, proof: proof, reason: reason)
        case .replaceHost(let host, let reason): try replace(host, reason: reason)
        case .migrate(let interface, let host): try migrate(interface, to: host)
        case .abortMigration(let interface, let reason): try abortMigration(interface, reason: reason)
        case .endRestoration(let reason): try endRestoration(reason: reason)
        case .observe(let samples, let clockSlot, let lifetime):
            observe(samples, clockSlot: clockSlot, lifetime: lifetime)
        case .backfill(let reference, let past): try backfill(reference, past)
        case .follow(let batch): try follow(batch)
        }
    }

    /// Events of a command of the book, with its errors in the language of the API.
    func bookCall(
        _ command: (Book) throws(BookError) -> [BookEvent]
    ) throws(CoordinatorError) -> [BookEvent] {
        do throws(BookError) {
            return try command(state.book)
        } catch {
            throw CoordinatorError(error)
        }
    }

    func blockSize(of application: ApplicationID) -> Int {
        state.applications[application]?.policy.blockSize ?? configuration.blockSize
    }

    private mutating func allocateRange(
        _ reference: ApplicationReference, _ count: Int, _ confidence: Double, _ key: String, _ lifetime: Duration?
    ) throws(CoordinatorError) -> Reply {
        let record = try resolve(reference)
        guard !record.deleting else { throw .deleting(record.name) }
        guard !state.restoration.isOn else { throw .restoring(awaited: state.restoration.awaited.sorted()) }
        guard confidence >= 0, confidence <= 1 else {
            throw .invalid(field: "confidence", why: "must be from 0 to 1")
        }
        guard key.utf8.count <= 128 else {
            throw .invalid(field: "idempotency_key", why: "must have at most 128 bytes")
        }
        let threshold = record.policy.threshold ?? 1 - record.policy.priority.quantile
        let predicted = confidence > threshold
        let life = lifetime ?? (predicted ? configuration.reservationLifetime : configuration.standardLifetime)
        let order = blockSize(of: record.id).trailingZeroBitCount
        let id = ReservationID(.random(using: &randomness))
        let scoped = key.isEmpty ? "" : "\(record.id)/\(key)"
        func reserve(_ book: Book) throws(BookError) -> [BookEvent] {
            try book.reserve(
                id: id, application: record.id, count: count, blockOrder: order, predicted: predicted,
                requested: true, lifetime: life,
                reason: predicted ? "predicted: confidence \(confidence)" : "requested", idempotencyKey: scoped)
        }
        do throws(BookError) {
            try book(reserve)
        } catch {
            guard error.isShortage, preempt(for: record.id, count: count) > 0 else { throw CoordinatorError(error) }
            commit(try bookCall(reserve))
        }
        let made = state.book.reservation(id) ?? state.book.answer(to: scoped)
        guard let made else { throw .unknownReservation(id) }
        return .range(
            RangeGrant(range: made.block.range, reservation: info(made, at: now), granted: made.block.size))
    }

    private mutating func extendReservation(
        _ id: ReservationID, _ lifetime: Duration
    ) throws(CoordinatorError) -> Reply {
        commit(try bookCall { (book) throws(BookError) in try book.extend(id, lifetime: lifetime) })
        guard let reservation = state.book.reservation(id) else { throw .unknownReservation(id) }
        return .reservation(info(reservation, at: now))
    }

    private mutating func releaseReservation(_ id: ReservationID, _ reason: String) throws(CoordinatorError) -> Reply {
        guard var reservation = state.book.reservation(id) else { throw .unknownReservation(id) }
        guard !state.restoration.isOn else { throw .restoring(awaited: state.restoration.awaited.sorted()) }
        let released = reason.isEmpty ? "released" : reason
        end(id, reason: released)
        reservation.reason = released
        return .reservation(info(reservation, at: now))
    }

    /// The claim ends: what is not leased is free, what is leased and unused goes through reclamation.
    mutating func end(_ id: ReservationID, reason: String) {
        guard let reservation = state.book.reservation(id) else { return }
        let leased = state.book.pieces(of: id).flatMap {
            state.book.leases(of: reservation.application, touching: $0.range)
        }
        try? book { (book) throws(BookError) in try book.end(id, reason: reason) }
        for lease in leased where lease.state == .leased || lease.state == .staged {
            guard state.bindings.use(of: lease.block).inUse == 0 else { continue }
            mark(lease.block, reason: reason, force: false)
            guard planted.contains(.expiryFreesWithoutHandshake), let marked = state.book.lease(of: lease.block) else {
                continue
            }
            try? book { (book) throws(BookError) in try book.drain(marked.block, epoch: marked.epoch) }
        }
    }

    mutating func expireReservation(_ id: ReservationID) {
        guard let reservation = state.book.reservation(id) else { return }
        guard !state.restoration.isOn else {
            return live.timers.arm(.reservation(id), at: now + reservation.lifetime)
        }
        end(id, reason: reservation.predicted ? "predicted reservation expired" : "standard reservation expired")
    }
}
