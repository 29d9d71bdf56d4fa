import Allocation
import FleetProtocol
import NetworkTypes
import SNISpace

/// Launches that wait: answered at once, from the reserved range or from a new one.
extension CoordinatorMachine {
    /// More waiting launches than this many blocks serve ask again.
    static let blocksPerRequestMax = 16

    mutating func answer(_ request: LeaseRequest, from host: HostID, on stream: StreamID) {
        let answer: LeaseAnswer
        if let earlier = live.hosts[host]?.answered[request.request] {
            answer = earlier
        } else {
            let outcome = serve(request, on: host)
            answer = LeaseAnswer(request: request.request, outcome: outcome)
            if case .granted = outcome {
                live.hosts[host]?.answered[request.request] = answer
                forgetAnswers(of: host, before: request.request)
                live.refusedLaunches[request.application] = nil
            } else if state.applications[request.application] != nil {
                live.refusedLaunches[request.application] = request.waiting
                // Without figures: what is refused again and again is one refusal.
                if case .refused(let code, _) = outcome {
                    note(request.application, .refused, "launches on \(host) found nothing: \(code)")
                }
            }
        }
        turn.late.append(.send(stream, position, .leaseAnswer(answer)))
    }

    /// Requests rise within a boot; an agent repeats only what it has not seen answered.
    private mutating func forgetAnswers(of host: HostID, before request: UInt64) {
        guard let answered = live.hosts[host]?.answered, answered.count > 64 else { return }
        live.hosts[host]?.answered = answered.filter { $0.key + 64 > request }
    }

    private mutating func serve(_ request: LeaseRequest, on host: HostID) -> LeaseAnswer.Outcome {
        guard let record = state.applications[request.application] else {
            return .refused(
                code: "unknown-application",
                detail: "no application \(request.application); create it with outriderctl app create")
        }
        guard mayLease(host) else {
            let why = stop(of: host) ?? ("host-not-ready", "the host has not caught up with what it missed yet")
            return .refused(code: why.code, detail: why.reason)
        }
        guard !record.deleting else {
            return .refused(code: "deleting", detail: "application \(record.name) is being deleted")
        }
        let size = sizeOnDemand(record, waiting: request.waiting)
        let blocks = min(max(1, (request.waiting + size - 1) / size), Self.blocksPerRequestMax)
        var granted: [SNIBlock] = []
        var failure: CoordinatorError?
        for index in 0..<blocks {
            do throws(BookError) {
                granted.append(try leaseOnDemand(record.id, to: host, size: size, remaining: blocks - index))
            } catch {
                failure = CoordinatorError(error)
                break
            }
        }
        if let first = granted.first {
            if granted.reduce(0, { $0 + $1.size }) >= request.waiting { state.book.leaveLine(record.id) }
            return .granted(first)
        }
        return .refused(code: failure?.code ?? "exhausted", detail: "\(failure ?? .notReady)")
    }

    /// A block of the application's size, from its reserved range, else from a new one; smaller only when nothing else
    /// is left.
    private mutating func leaseOnDemand(
        _ application: ApplicationID, to host: HostID, size: Int, remaining: Int
    ) throws(BookError) -> SNIBlock {
        let wanted = size.trailingZeroBitCount
        if state.book.hasIdle(application, order: wanted) {
            return try lease(application, to: host, order: wanted, predicted: false, fromReserved: true)
        }
        do throws(BookError) {
            try reserveStandard(application, count: remaining << wanted, order: wanted)
            reserveMore(application)
            return try lease(application, to: host, order: wanted, predicted: false, fromReserved: false)
        } catch {
            for order in (2..<max(2, wanted)).reversed() {
                let isOwn = state.book.hasIdle(application, order: order)
                if !isOwn { try? reserveStandard(application, count: 1 << order, order: order, mayPreempt: false) }
                guard state.book.hasIdle(application, order: order) else { continue }
                return try lease(application, to: host, order: order, predicted: false, fromReserved: isOwn)
            }
            throw error
        }
    }

    /// What the operator set; else as large as what waits, where the rule of marginal value brings the rest.
    private func sizeOnDemand(_ record: ApplicationRecord, waiting: Int) -> Int {
        guard record.policy.blockSize == nil, record.policy.mode == .stage, marginal(of: record.id, at: now) != nil
        else { return blockSize(of: record.id) }
        let order = BlockPolicy.orders.first { 1 << $0 >= waiting } ?? BlockPolicy.orders.upperBound
        return 1 << order
    }

    /// Fills the reserve up, so that the launches behind find it; without it they ask again.
    private mutating func reserveMore(_ application: ApplicationID) {
        let count = reserveBeside(application)
        guard count > 0 else { return }
        try? reserveStandard(application, count: count, order: BlockPolicy.orders.lowerBound, mayPreempt: false)
    }

    private mutating func reserveStandard(
        _ application: ApplicationID, count: Int, order: Int, mayPreempt: Bool = true
    ) throws(BookError) {
        let id = ReservationID(.random(using: &randomness))
        let lifetime = configuration.standardLifetime
        func reserve(_ book: Book) throws(BookError) -> [BookEvent] {
            try book.reserve(
                id: id, application: application, count: count, blockOrder: order, predicted: false,
                lifetime: lifetime, reason: "launches wait")
        }
        do throws(BookError) {
            try book(reserve)
        } catch {
            guard mayPreempt, error.isShortage, preempt(for: application, count: count) > 0 else { throw error }
            try book(reserve)
        }
    }

    @discardableResult mutating func lease(
        _ application: ApplicationID, to host: HostID, order: Int, predicted: Bool, fromReserved: Bool
    ) throws(BookError) -> SNIBlock {
        let events = try state.book.lease(
            application: application, host: host, order: order, predicted: predicted, fromReserved: fromReserved)
        commit(events)
        guard case .leased(let lease) = events.first else { throw .nothingReserved(application, size: 1 << order) }
        return lease.block
    }
}

extension BookError {
    /// More may be had later, or from lower classes.
    var isShortage: Bool {
        switch self {
        case .exhausted, .awaited: true
        default: false
        }
    }
}
