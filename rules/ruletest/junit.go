// The results for machines that read JUnit's XML.

package ruletest

import (
	"encoding/xml"
	"io"
	"time"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     float64     `xml:"time,attr"` // seconds
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Time    float64       `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the results, a suite for each test file.
func WriteJUnit(w io.Writer, results []Result) error {
	var out junitSuites
	for _, r := range results {
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != r.File {
			out.Suites = append(out.Suites, junitSuite{Name: r.File})
		}
		s := &out.Suites[len(out.Suites)-1]
		s.Tests++
		s.Time += r.Took.Seconds()
		c := junitCase{Class: r.File, Name: r.Name, File: r.File, Line: r.Line, Time: r.Took.Round(time.Microsecond).Seconds()}
		if !r.Passed {
			s.Failures++
			c.Failure = &junitFailure{}
			for i := range r.Failures {
				c.Failure.Text += r.Failures[i].Text("")
			}
			if f := r.Failures[0]; f.Expected != "" {
				c.Failure.Message = f.What + ": expected " + f.Expected + ", got " + f.Got
			} else {
				c.Failure.Message = f.What + ": " + f.Got
			}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
