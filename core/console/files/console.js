// What the pages do beyond reading: live parts that do not disturb, keys, the editor's margin and its faults.
"use strict";

(() => {
	const shown = new Map(); // the last text of each live part

	// A part that is as it was is left alone; nobody looks at a hidden page.
	document.addEventListener("htmx:beforeRequest", (e) => {
		if (document.hidden && e.detail.elt.matches("[hx-trigger^='every']")) e.preventDefault();
	});
	document.addEventListener("htmx:beforeSwap", (e) => {
		const id = e.detail.target.id, text = e.detail.serverResponse;
		if (id !== "live" && id !== "list") return;
		const chosen = window.getSelection();
		const reading = chosen && !chosen.isCollapsed && e.detail.target.contains(chosen.anchorNode);
		if (shown.get(id) === text || reading) e.detail.shouldSwap = false;
		else shown.set(id, text);
	});

	// / looks somebody up; g and a letter go to a page.
	let going = false;
	document.addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select")) return;
		if (going) {
			going = false;
			const to = document.querySelector(`nav a[data-key="${CSS.escape(e.key)}"]`);
			if (to) location.assign(to.href);
		} else if (e.key === "g") {
			going = true;
			setTimeout(() => { going = false; }, 1500);
		} else if (e.key === "/" && document.querySelector("nav a[data-key='p']")) {
			e.preventDefault();
			const field = document.getElementById("id");
			if (field) field.focus();
			else location.assign("/people");
		}
	});

	// The margin of the editor: line numbers, with those at fault set off.
	const text = document.getElementById("text");
	const margin = document.querySelector(".gutter");
	const numbers = () => {
		const wrong = new Map();
		for (const a of document.querySelectorAll("#faults .fault a.place")) {
			const kind = a.closest(".fault").classList.contains("error") ? "error" : "warning";
			if (wrong.get(a.dataset.line) !== "error") wrong.set(a.dataset.line, kind);
		}
		const rows = text.value.split("\n").length;
		margin.replaceChildren(...Array.from({length: rows}, (_, i) => {
			const row = document.createElement("div");
			row.textContent = String(i + 1);
			const kind = wrong.get(String(i + 1));
			if (kind) row.className = kind;
			return row;
		}));
		margin.scrollTop = text.scrollTop;
	};
	const goTo = (line, col) => {
		const rows = text.value.split("\n");
		const at = rows.slice(0, line - 1).reduce((n, row) => n + row.length + 1, 0);
		// A column counts characters; a text is addressed in units of UTF-16.
		const before = Array.from(rows[line - 1] || "").slice(0, Math.max(0, col - 1)).join("").length;
		text.focus();
		text.setSelectionRange(at + before, at + before);
		text.scrollTop = Math.max(0, (line - 6) * (text.scrollHeight / rows.length));
	};
	if (text && margin) {
		numbers();
		text.addEventListener("input", numbers);
		text.addEventListener("scroll", () => { margin.scrollTop = text.scrollTop; });
		document.addEventListener("htmx:afterSwap", (e) => { if (e.detail.target.id === "faults") numbers(); });
		document.addEventListener("click", (e) => {
			const a = e.target.closest("a.place");
			if (!a || !a.dataset.line) return;
			e.preventDefault();
			goTo(Number(a.dataset.line), Number(a.dataset.col || 1));
		});
		if (Number(text.dataset.at) > 1) goTo(Number(text.dataset.at), 1);
	}

	// The chart of the last days, in the colours of the page.
	const plot = document.querySelector(".plot");
	const draw = () => {
		const s = JSON.parse(plot.dataset.series);
		const css = getComputedStyle(document.documentElement);
		const colour = (name) => css.getPropertyValue(name).trim();
		const whole = (_, n) => n == null ? "" : n.toLocaleString("en-US");
		const axis = {stroke: colour("--soft"), grid: {stroke: colour("--line"), width: 1}, ticks: {show: false}, font: `12px ${css.getPropertyValue("--sans")}`};
		plot.replaceChildren();
		new uPlot({
			width: plot.clientWidth, height: 190, padding: [10, 12, 0, 0], tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
			cursor: {y: false, drag: {x: false, y: false}}, legend: {live: true, markers: {width: 0, fill: (u, i) => u.series[i].stroke(u, i)}},
			scales: {y: {range: (_, low, high) => [0, Math.max(4, high * 1.1)]}},
			axes: [{...axis, size: 28, grid: {show: false}, values: (_, ts) => ts.map((t) => new Date(t * 1000).toLocaleDateString("en-US", {month: "short", day: "numeric", timeZone: "UTC"}))},
				{...axis, size: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6], values: (_, ns) => ns.map((n) => n.toLocaleString("en-US"))}],
			series: [{label: "Day", value: (_, t) => t == null ? "" : new Date(t * 1000).toLocaleDateString("en-US", {weekday: "short", month: "short", day: "numeric", timeZone: "UTC"})},
				{label: "Consents given", stroke: colour("--strong"), width: 1.5, fill: colour("--mute-bg"), points: {show: false}, value: whole},
				{label: "Sent", stroke: colour("--accent"), width: 2, points: {show: false}, value: whole}],
		}, [s.Days, s.Granted, s.Sent], plot);
	};
	if (plot && window.uPlot) {
		draw();
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
		let width = plot.clientWidth;
		addEventListener("resize", () => { if (plot.clientWidth !== width) { width = plot.clientWidth; draw(); } });
	}

	// The menu of a narrow page closes when somebody leaves it.
	const menu = document.getElementById("menu");
	if (menu) document.addEventListener("keydown", (e) => { if (e.key === "Escape") menu.checked = false; });
})();
