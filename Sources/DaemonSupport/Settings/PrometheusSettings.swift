/// Where a second source of samples is, and what to ask it.
public struct PrometheusSettings: Hashable, Sendable {
    /// What is asked for.
    public enum Measure: String, Hashable, Sendable, CaseIterable {
        case vms, launches, cpu, memory, received, sent

        /// What is added within a step, and not how much there is.
        public var isAdded: Bool { self != .vms && self != .memory }
    }

    /// Such as `http://127.0.0.1:9090`.
    public var base: String
    /// Its value names the application.
    public var label: String
    /// Time between two values, a multiple of the aggregate interval.
    public var step: Duration
    /// How far back what is not known yet is learnt from.
    public var backfill: Duration
    /// For one query.
    public var timeout: Duration
    /// PromQL with `$step` for the step.
    public var queries: [Measure: String]
    public init(
        base: String, label: String, step: Duration, backfill: Duration, timeout: Duration, queries: [Measure: String]
    ) {
        self.base = base
        self.label = label
        self.step = step
        self.backfill = backfill
        self.timeout = timeout
        self.queries = queries
    }
}

extension PrometheusSettings {
    enum Keys {
        static let base = SettingKey.scalar(
            "prometheus", .httpURL, .optional(example: "http://127.0.0.1:9090"),
            "A Prometheus server as a second source of samples: history at the start, then live wherever no agent tells of",
            "an application. Without this key there is none.")
        static let label = SettingKey.scalar(
            "prometheus-label", .labelName, .defaulted("application"),
            "Label of the queries' results that holds the name or the id of the application.")
        static let step = SettingKey.scalar(
            "prometheus-step", .duration(), .defaulted(.seconds(60)),
            "Time between two values that are asked for, a multiple of aggregate-interval; not shorter than the server's",
            "scrape interval.")
        static let backfill = SettingKey.scalar(
            "prometheus-backfill", .duration(), .defaulted(.seconds(7 * 86_400)),
            "How far back an application's past is learnt from, when nothing is known of it.")
        static let timeout = SettingKey.scalar(
            "prometheus-timeout", .duration(), .defaulted(.seconds(10)), "How long one query may take.")
        static let vms = query(
            .vms, "sum by (application) (vm_up)",
            "PromQL: VMs present. Required with a server; the others are optional.")
        static let launches = query(
            .launches, "sum by (application) (increase(vm_starts_total[$step]))",
            "PromQL: VMs started within a step. $step stands for the step in these queries, such as 60s.")
        static let cpu = query(
            .cpu, "sum by (application) (increase(vm_cpu_seconds_total[$step]))",
            "PromQL: seconds of CPU time within a step.")
        static let memory = query(.memory, "sum by (application) (vm_memory_bytes)", "PromQL: bytes of memory.")
        static let received = query(
            .received, "sum by (application) (increase(vm_receive_bytes_total[$step]))",
            "PromQL: bytes received within a step.")
        static let sent = query(
            .sent, "sum by (application) (increase(vm_transmit_bytes_total[$step]))",
            "PromQL: bytes sent within a step.")

        static let queries: [(Measure, SettingKey<String>)] = [
            (.vms, vms), (.launches, launches), (.cpu, cpu), (.memory, memory), (.received, received), (.sent, sent),
        ]
        static let all: [any AnySettingKey] = [base, label, step, backfill, timeout] + queries.map(\.1)

        private static func query(_ measure: Measure, _ example: String, _ documentation: String) -> SettingKey<String>
        {
            .scalar("prometheus-\(measure.rawValue)", .expression, .optional(example: example), documentation)
        }
    }

    /// Nil when the document names no server.
    init?(_ document: SettingsDocument) {
        guard let base = document[optional: Keys.base] else { return nil }
        self.base = base
        label = document[Keys.label]
        step = document[Keys.step]
        backfill = document[Keys.backfill]
        timeout = document[Keys.timeout]
        queries = [:]
        for (measure, key) in Keys.queries { queries[measure] = document[optional: key] }
    }

    static func contradictions(_ document: SettingsDocument) -> [ConfigurationProblem] {
        guard document[optional: Keys.base] != nil else {
            return Keys.queries.filter { document[optional: $0.1] != nil }.map { _, key in
                document.contradiction(
                    key, "there is no server to ask", fix: "add the key 'prometheus', or remove this one")
            }
        }
        var problems: [ConfigurationProblem] = []
        if document[optional: Keys.vms] == nil {
            problems.append(
                document.contradiction(
                    Keys.base, "there is no query for VMs",
                    fix: "add 'prometheus-vms', such as: \(Keys.vms.exampleText)"))
        }
        let (step, interval) = (document[Keys.step], document[CoordinatorSettings.Keys.aggregateInterval])
        if step < interval || step != interval * Int((step / interval).rounded()) {
            problems.append(
                document.contradiction(
                    Keys.step,
                    "\(DurationText.print(step)) is no multiple of aggregate-interval (\(DurationText.print(interval)))",
                    fix: "set it to a multiple"))
        }
        return problems
    }
}

extension SettingKey where Value == String {
    fileprivate var exampleText: String {
        if case .optional(let example) = presence { example } else { "" }
    }
}

extension ValueFormat where Value == String {
    /// Without credentials, query or fragment.
    static var httpURL: Self {
        Self(
            expected:
                "an address of a server, http:// or https:// with a name or IP address, a port and a path if needed",
            parse: { text in
                let scheme = ["http://", "https://"].first { text.hasPrefix($0) }
                guard let scheme, text.utf8.count <= 512 else { return nil }
                let rest = text.dropFirst(scheme.count)
                let isPlain = rest.utf8.allSatisfy { (33...126).contains($0) }
                let hasOther = rest.contains { "@?#\"<>\\^`{|}".contains($0) }
                return isPlain && !hasOther && rest.first.map { $0 != "/" && $0 != ":" } ?? false ? text : nil
            }, print: { $0 })
    }

    /// Prometheus data model, "Metric names and labels".
    static var labelName: Self {
        Self(
            expected: "the name of a label, such as application",
            parse: { text in
                let isWord = text.utf8.allSatisfy {
                    (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                        || $0 == UInt8(ascii: "_")
                }
                let begins = text.utf8.first.map { !(48...57).contains($0) } ?? false
                return isWord && begins && text.utf8.count <= 128 ? text : nil
            }, print: { $0 })
    }

    static var expression: Self {
        Self(
            expected: "a query of 1 ... 4096 bytes in one line",
            parse: { text in
                let isLine = text.utf8.allSatisfy { $0 >= 32 && $0 != 127 }
                return isLine && (1...4096).contains(text.utf8.count) ? text : nil
            }, print: { $0 })
    }
}
