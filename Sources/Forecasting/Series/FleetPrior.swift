/// What series of one resolution have in common, for those that are too young to know it themselves.
///
/// It only fills in while a lead has seen little: after ``ownCount`` matured forecasts and
/// ``ownSpans`` spans nothing of it is left.
public final class FleetPrior: Sendable {
    /// Matured forecasts (decayed) after which a lead stands on its own.
    static let ownCount: Float = 40
    /// Lengths of a lead after the first that it takes besides: what overlaps is one experience.
    static let ownSpans: Float = 4

    /// Typical scale of each lead by (level + 1).
    let scales: [Float]
    /// By lead, row and bin as in a forecaster; each row sums to one.
    let residuals: [Float]
    /// By lead: quantiles of increments over the whole fleet, by (level + 1), for who does not even know its scale.
    let increments: [SIMD8<Float>]
    /// Mean relative losses by lead.
    let low: [SIMD8<Float>]
    let middle: [SIMD8<Float>]
    let high: [SIMD8<Float>]
    /// Tells priors apart in persisted state.
    let fingerprint: UInt64

    /// Of no fleet: increments of a random walk, two-sided exponential, a hundredth of the level per sample at five
    /// minutes; experts alike.
    public convenience init(plan: SeriesPlan) {
        let perSample = 0.01 * (288 / Float(plan.day)).squareRoot()
        var row = [Float](repeating: 0, count: ResidualGrid.count)
        var share: Float = 0.42
        row[ResidualGrid.side] = 0.05
        for step in stride(from: ResidualGrid.side, through: 1, by: -1) {
            // Mass of an exponential with mean one in bins that grow by the grid's ratio, roughly.
            row[ResidualGrid.side + step] = share * ResidualGrid.exponentialMass(step - 1)
            row[ResidualGrid.side - step] = row[ResidualGrid.side + step]
        }
        share = row.reduce(0, +)
        row = row.map { $0 / share }
        let rows = plan.leads.count * SeriesForecaster.histogramsPerLead
        let scales = plan.leads.map { perSample * Float($0.ticks).squareRoot() }
        self.init(
            scales: scales, residuals: (0..<rows).flatMap { _ in row },
            increments: scales.map { scale in
                // Scales of applications differ by such factors.
                Self.quantiles([1 / 6, 1 / 2.4, 1, 2.4, 6].flatMap { ResidualGrid.points(row, scale: scale * $0) })
            },
            losses: plan.leads.map { _ in (SIMD8(repeating: 3), SIMD8(repeating: 1), SIMD8(repeating: 4)) })
    }

    /// Of a fleet: every series votes alike. Series that know nothing yet do not vote.
    public convenience init(plan: SeriesPlan, fleet: [SeriesForecaster]) {
        let standard = FleetPrior(plan: plan)
        var logScales = plan.leads.map { _ in (sum: 0.0, count: 0.0) }
        var residuals = standard.residuals
        var votes = [Float](repeating: 1, count: residuals.count / ResidualGrid.count)
        var losses = plan.leads.indices.map { (standard.low[$0], standard.middle[$0], standard.high[$0], Float(1)) }
        for member in fleet where member.plan.day == plan.day {
            for index in plan.leads.indices {
                let state = member.leads[index]
                guard state.lossCount >= Self.ownCount else { continue }
                losses[index].0 += state.low.lanes / state.lossCount
                losses[index].1 += state.middle.lanes / state.lossCount
                losses[index].2 += state.high.lanes / state.lossCount
                losses[index].3 += 1
                if state.scale > 1e-6 {
                    logScales[index].sum += Elementary.log2(Double(state.scale / (member.slow + 1)))
                    logScales[index].count += 1
                }
                for row in 0..<SeriesForecaster.histogramsPerLead {
                    let place = index * SeriesForecaster.histogramsPerLead + row
                    let bins = place * ResidualGrid.count..<(place + 1) * ResidualGrid.count
                    let total = Float(bins.reduce(0) { $0 + Int(member.residuals[$1]) })
                    guard total > 0 else { continue }
                    for bin in bins { residuals[bin] += Float(member.residuals[bin]) / total }
                    votes[place] += 1
                }
            }
        }
        for bin in residuals.indices { residuals[bin] /= votes[bin / ResidualGrid.count] }
        let scales = logScales.enumerated().map { index, log in
            log.count > 0 ? Float(Elementary.exp2(log.sum / log.count)) : standard.scales[index]
        }
        self.init(
            scales: scales, residuals: residuals,
            increments: plan.leads.indices.map { lead in
                Self.increments(lead, fleet.filter { $0.plan.day == plan.day }) ?? standard.increments[lead]
            }, losses: losses.map { ($0.0 / $0.3, $0.1 / $0.3, $0.2 / $0.3) })
    }

    /// Members that know something below which a fleet teaches nothing.
    static let votersMin = 8

    /// Whether a member knows something.
    static func votes(_ member: SeriesForecaster) -> Bool { (member.leads.first?.lossCount ?? 0) >= ownCount }

    /// As bytes: what is read again is the same to the bit.
    public func encoded() -> [UInt8] {
        var writer = StateWriter()
        for value in scales + residuals {
            var value = value
            writer.code(&value)
        }
        for row in increments + low + middle + high {
            var row = row
            writer.code(&row)
        }
        writer.finish()
        return writer.bytes
    }

    /// - Throws: ``SeriesStateError`` for bytes of another plan, or damaged.
    public convenience init(encoded bytes: [UInt8], plan: SeriesPlan) throws(SeriesStateError) {
        var reader = StateReader(bytes: bytes)
        guard reader.isIntact else { throw .corrupt }
        func numbers(_ count: Int) -> [Float] {
            (0..<count).map { _ in
                var value: Float = 0
                reader.code(&value)
                return value
            }
        }
        func rows() -> [SIMD8<Float>] {
            plan.leads.map { _ in
                var row = SIMD8<Float>()
                reader.code(&row)
                return row
            }
        }
        let scales = numbers(plan.leads.count)
        let residuals = numbers(plan.leads.count * SeriesForecaster.histogramsPerLead * ResidualGrid.count)
        let (increments, low, middle, high) = (rows(), rows(), rows(), rows())
        guard reader.isAtEnd else { throw .length(bytes.count) }
        self.init(
            scales: scales, residuals: residuals, increments: increments,
            losses: plan.leads.indices.map { (low[$0], middle[$0], high[$0]) })
    }

    /// Nil without a member that knows them.
    private static func increments(_ lead: Int, _ fleet: [SeriesForecaster]) -> SIMD8<Float>? {
        var points: [(value: Float, mass: Float)] = []
        for member in fleet where member.leads[lead].lossCount >= ownCount {
            // Where an application begins there is something, mostly.
            let counts = member.counts(lead, expert: Expert.last.rawValue, isHigh: true)
            let row = (0..<ResidualGrid.count).map { counts[$0] }
            let total = row.reduce(0, +)
            guard total > 0 else { continue }
            let scale = member.leads[lead].scale / (member.slow + 1)
            points += ResidualGrid.points(row.map { $0 / total }, scale: scale)
        }
        return points.isEmpty ? nil : quantiles(points)
    }

    /// At ``Quantile/levels``, of points with masses.
    private static func quantiles(_ points: [(value: Float, mass: Float)]) -> SIMD8<Float> {
        let sorted = points.sorted { $0.value < $1.value }
        let total = sorted.reduce(0) { $0 + $1.mass }
        var result = SIMD8<Float>(repeating: sorted.last?.value ?? 0)
        var (below, level) = (Float(0), 0)
        for point in sorted {
            below += point.mass
            while level < 8, below >= ResidualGrid.levels[level] * total {
                result[level] = point.value
                level += 1
            }
        }
        return result
    }

    private init(
        scales: [Float], residuals: [Float], increments: [SIMD8<Float>],
        losses: [(SIMD8<Float>, SIMD8<Float>, SIMD8<Float>)]
    ) {
        self.scales = scales
        self.residuals = residuals
        self.increments = increments
        low = losses.map(\.0)
        middle = losses.map(\.1)
        high = losses.map(\.2)
        var hash = Checksum()
        for value in scales + residuals { hash.add(value.bitPattern) }
        for row in increments + low + middle + high { for lane in 0..<8 { hash.add(row[lane].bitPattern) } }
        fingerprint = hash.value
    }
}

/// FNV-1a (Fowler, Noll and Vo) over words: notices corruption, not malice.
struct Checksum {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325
    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    mutating func add(_ word: UInt32) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { add(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}

/// How a young lead borrows from the fleet.
extension SeriesForecaster {
    /// 1 for a lead that has seen nothing, 0 once it stands on its own: after so many matured forecasts, and spans of its
    /// length that do not overlap.
    func youth(_ index: Int) -> Float {
        let own = min(leads[index].lossCount / FleetPrior.ownCount, (spans(index) - 1) / FleetPrior.ownSpans)
        return min(1, max(0, 1 - own))
    }

    /// Widening, as logarithms at .025, .1, .9 and .975, for what a few spans cannot have shown.
    ///
    /// Student's t by the normal quantile for n degrees of freedom is about exp(.7 / n) at .9 and exp(1.4 / n) at .975; the
    /// fleet counts for one and a half, and what differs between series of a fleet adds a third.
    func inexperience(_ index: Int) -> SIMD4<Float> {
        let share = (1 - strangeness) / (spans(index) + 1.5)
        return SIMD4(2, 0.9, 0.9, 2) * share
    }

    /// Age in lengths of the lead.
    private func spans(_ index: Int) -> Float { Float(tick - firstTick) / Float(plan.leads[index].ticks) }

    /// 1 while nothing is known of how far the series moves, falling with the increments that were seen.
    var strangeness: Float {
        let seen = leads[0].scaleCount / 4
        return 1 / (1 + seen * seen)
    }

    /// Own scale, drawn towards that of the next shorter lead times what the fleet says about their ratio, and as long as
    /// little was seen towards what the fleet says about the level.
    func scale(_ index: Int) -> Float {
        let own = leads[index].scale
        let share = youth(index)
        guard share > 0 else { return own }
        let usual = prior.scales[index] * (slow + 1)
        guard index > 0 else { return leads[0].scaleCount > 0 ? own + share * (usual - own) : usual }
        let chained = scale(index - 1) * prior.scales[index] / prior.scales[index - 1]
        let seen = Double(leads[0].scaleCount)
        let trust = seen / (seen + 1)
        let log = trust * Elementary.log2(Double(chained)) + (1 - trust) * Elementary.log2(Double(usual))
        let borrowed = Float(Elementary.exp2(log))
        return leads[index].scaleCount > 0 ? own + share * (borrowed - own) : borrowed
    }
}
