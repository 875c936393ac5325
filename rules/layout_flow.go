// Values in { } and [ ]: one space behind : and , and none inside the brackets; line breaks stay.

package rules

import "strings"

// flow lays out a value in brackets, over as many lines as it has.
func (w *writing) flow() {
	depth, before, base := 0, "", w.base
	for {
		w.skip()
		switch rest := w.rest(); {
		case rest == "" || rest[0] == '#':
			if w.next == len(w.lines) {
				return
			}
			w.wrapFlow(base, depth)
			before = ""
			continue
		default:
			piece := flowPiece(rest)
			if rest[0] == ':' && before != "" && strings.ContainsRune(`"'`, rune(before[0])) {
				piece = ":" // a quoted key needs no space behind its colon
			}
			w.space(before, piece)
			switch piece {
			case "{", "[":
				depth++
			case "}", "]":
				depth--
			}
			w.piece(piece, base+2*depth+2)
			before = piece
		}
		if depth == 0 {
			return
		}
	}
}

// wrapFlow goes on with the next line of a value in brackets.
func (w *writing) wrapFlow(base, depth int) {
	w.flush()
	w.take()
	if rest := w.rest(); rest != "" && (rest[0] == '}' || rest[0] == ']') {
		depth--
	}
	w.lead = base + 2*depth
}

// piece writes one piece: a sign, a quoted scalar or a plain one.
func (w *writing) piece(piece string, lead int) {
	if piece[0] == '"' || piece[0] == '\'' {
		w.quotes(lead)
		return
	}
	if q, ok := w.quoted[spot{w.line, piece}]; ok {
		w.put(q)
		w.pos += len(piece)
		return
	}
	w.copy(len(piece))
}

// space puts the space between two pieces of a line.
func (w *writing) space(before, piece string) {
	switch {
	case before == "" || before == "{" || before == "[":
	case piece == "}" || piece == "]" || piece == "," || piece == ":":
	default:
		w.put(" ")
	}
}

// flowPiece is the piece that s begins with: { } [ ] , : or a scalar, of which quoted ones may be cut off.
func flowPiece(s string) string {
	if strings.ContainsRune("{}[],", rune(s[0])) || s[0] == ':' && endsKey(s, 0) {
		return s[:1]
	}
	if s[0] == '"' || s[0] == '\'' {
		if end := quoteEnd(s); end > 0 {
			return s[:end+1]
		}
		return s
	}
	end := len(s)
	for i := range s {
		if strings.ContainsRune("{}[],", rune(s[i])) || s[i] == ':' && endsKey(s, i) || behindSpace(s, i) {
			end = i
			break
		}
	}
	return strings.TrimRight(s[:end], " \t")
}

// endsKey reports a : that ends a key inside brackets.
func endsKey(s string, i int) bool {
	return i+1 == len(s) || strings.ContainsRune(" \t,[]{}", rune(s[i+1]))
}
