import NetworkTypes

/// What no single key can tell: values that are fine alone and not together.
extension CoordinatorSettings {
    static func contradictions(_ document: SettingsDocument) -> [ConfigurationProblem] {
        listenProblems(document, Keys.listen) + listenProblems(document, Keys.httpListen)
            + PrometheusSettings.contradictions(document) + poolProblems(document) + excludeProblems(document)
            + timeProblems(document) + CalendarSettings.contradictions(document)
    }

    private static func listenProblems(
        _ document: SettingsDocument, _ key: SettingKey<[Endpoint]>
    ) -> [ConfigurationProblem] {
        let endpoints = document[key]
        return endpoints.indices.compactMap { index in
            guard let first = endpoints.firstIndex(of: endpoints[index]), first < index else { return nil }
            return document.contradiction(
                key, element: index, "\(endpoints[index]) stands twice", fix: "keep one of the two")
        }
    }

    private static func poolProblems(_ document: SettingsDocument) -> [ConfigurationProblem] {
        var problems = overlaps(document, Keys.pool)
        let (pool, chunk, block) = (document[Keys.pool], document[Keys.chunkSize], document[Keys.blockSize])
        let prefix = document[Keys.overlayIPv4]
        let capacity = 1 << (32 - prefix.length)
        for (index, range) in pool.enumerated() {
            if Int(range.first.rawValue) < chunk {
                problems.append(
                    document.contradiction(
                        Keys.pool, element: index,
                        "\(range) reaches into the first chunk (0-\(chunk - 1)), which is never handed out",
                        fix: "begin at \(chunk)"))
            }
            if Int(range.end) > capacity {
                problems.append(
                    document.contradiction(
                        Keys.pool, element: index,
                        "\(range) does not fit overlay-ipv4 \(prefix), which has addresses for 0-\(capacity - 1)",
                        fix: "end the pool at \(capacity - 1), or choose a wider overlay-ipv4"))
            }
            if Int(range.first.rawValue) % chunk != 0 || range.count % chunk != 0 {
                problems.append(
                    document.contradiction(
                        Keys.pool, element: index, "\(range) is not made of whole chunks of \(chunk) identifiers",
                        fix: "begin at a multiple of \(chunk) and end one below a multiple of it"))
            }
        }
        if block > chunk {
            problems.append(
                document.contradiction(
                    Keys.blockSize, "\(block) is more than chunk-size \(chunk)", fix: "choose a smaller block-size"))
        }
        return problems
    }

    private static func excludeProblems(_ document: SettingsDocument) -> [ConfigurationProblem] {
        var problems = overlaps(document, Keys.exclude)
        let (pool, excluded) = (document[Keys.pool], document[Keys.exclude])
        for (index, range) in excluded.enumerated() where !pool.contains(where: { $0.contains(range) }) {
            problems.append(
                document.contradiction(
                    Keys.exclude, element: index, "\(range) is not inside one range of the pool",
                    fix: "remove it, or correct its ends"))
        }
        if problems.isEmpty, excluded.reduce(0, { $0 + $1.count }) >= pool.reduce(0, { $0 + $1.count }) {
            problems.append(
                document.contradiction(
                    Keys.exclude, "it leaves nothing of the pool", fix: "exclude less, or widen the pool"))
        }
        return problems
    }

    private static func overlaps(
        _ document: SettingsDocument, _ key: SettingKey<[SNIRange]>
    ) -> [ConfigurationProblem] {
        let ranges = document[key]
        return ranges.indices.compactMap { index in
            guard let other = ranges[..<index].first(where: { $0.overlaps(ranges[index]) }) else { return nil }
            return document.contradiction(
                key, element: index, "\(ranges[index]) overlaps \(other)", fix: "make the ranges disjoint")
        }
    }

    private static func timeProblems(_ document: SettingsDocument) -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        let horizons = document[Keys.horizons]
        for index in horizons.indices.dropFirst() where horizons[index] <= horizons[index - 1] {
            let (this, before) = (DurationText.print(horizons[index]), DurationText.print(horizons[index - 1]))
            problems.append(
                document.contradiction(
                    Keys.horizons, element: index, "\(this) does not come after \(before)",
                    fix: "list the horizons in ascending order, each once"))
        }
        func require(_ larger: SettingKey<Duration>, atLeast smaller: SettingKey<Duration>, because reason: String) {
            guard document[larger] < document[smaller] else { return }
            let (have, need) = (DurationText.print(document[larger]), DurationText.print(document[smaller]))
            problems.append(
                document.contradiction(
                    larger, "\(have) is less than \(smaller.name) (\(need)): \(reason)",
                    fix: "raise \(larger.name) to \(need) or more, or lower \(smaller.name)"))
        }
        if let sample = document[optional: Keys.sampleInterval], sample != document[Keys.aggregateInterval] {
            let (have, need) = (DurationText.print(sample), DurationText.print(document[Keys.aggregateInterval]))
            problems.append(
                document.contradiction(
                    Keys.sampleInterval, "\(have) differs from aggregate-interval (\(need))",
                    fix: "remove sample-interval, or set both to the same duration"))
        }
        require(
            Keys.unreachableAfter, atLeast: Keys.aggregateInterval,
            because: "a healthy host would count as unreachable between two reports")
        require(
            Keys.bindUntil, atLeast: Keys.unreachableAfter,
            because: "a host would stop binding before the coordinator calls it unreachable")
        require(
            Keys.reservationLifetime, atLeast: Keys.decisionInterval,
            because: "predicted reservations would end before the decision that extends them")
        return problems
    }
}
