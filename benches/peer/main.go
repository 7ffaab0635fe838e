// The peer: what a small server in Go does with a batch of reports when it only parses and hashes them. It shares
// Redis and its durability with Vigil: one script for a batch remembers each report once and appends all of them to a
// stream. It checks no answer, takes no identity out, and scores nothing.
//
// `cargo bench -- peer` builds and runs it where Go, Gin and Redigo are installed (Debian: golang-go,
// golang-github-gin-gonic-gin-dev, golang-github-gomodule-redigo-dev).
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gomodule/redigo/redis"
)

// The fields of a report that the server reads.
type report struct {
	ResponseID string             `json:"responseId" binding:"required"`
	StudyID    string             `json:"studyId" binding:"required"`
	SiteID     string             `json:"siteId" binding:"required"`
	PatientID  string             `json:"patientId" binding:"required"`
	Instrument string             `json:"instrument" binding:"required"`
	AuthoredAt time.Time          `json:"authoredAt" binding:"required"`
	Answers    map[string]float64 `json:"answers" binding:"required"`
}

type outcome struct {
	Row          int    `json:"row"`
	SubmissionID string `json:"submissionId"`
	Status       string `json:"status"`
}

// KEYS: the stream, then the mark of each report. ARGV: for each report its hash, then all reports.
const enqueue = `
local out = {}
for i = 2, #KEYS do
  out[i - 1] = redis.call('SET', KEYS[i], ARGV[i - 1], 'NX', 'EX', 34560000) and 1 or 0
end
redis.call('XADD', KEYS[1], '*', 'd', ARGV[#KEYS])
return out`

func main() {
	pool := &redis.Pool{
		MaxIdle: 64,
		Dial:    func() (redis.Conn, error) { return redis.DialURL(os.Args[1]) },
	}
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.POST("/v1/reports/batch", func(c *gin.Context) { batch(c, pool) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	// It ends when its input ends, as the hosts of the benchmarks do.
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	_ = http.Serve(listener, router)
}

func batch(c *gin.Context, pool *redis.Pool) {
	var rows []json.RawMessage
	if err := c.ShouldBindJSON(&rows); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	script := redis.NewScript(1+len(rows), enqueue)
	keys := make([]any, 0, 2+2*len(rows))
	keys = append(keys, "peer:stream")
	hashes := make([]any, 0, len(rows))
	all := make([]byte, 0, 32<<10)
	outcomes := make([]outcome, len(rows))
	for i, row := range rows {
		var one report
		if err := json.Unmarshal(row, &one); err != nil || one.ResponseID == "" {
			c.JSON(http.StatusUnprocessableEntity, gin.H{"row": i + 1})
			return
		}
		id := sha256.Sum256([]byte(one.StudyID + "|" + one.SiteID + "|" + one.ResponseID))
		hash := sha256.Sum256(row)
		name := hex.EncodeToString(id[:16])
		keys = append(keys, "peer:once:"+name)
		hashes = append(hashes, hash[:])
		all = append(append(all, row...), '\n')
		outcomes[i] = outcome{Row: i + 1, SubmissionID: name}
	}
	connection := pool.Get()
	defer connection.Close()
	reply, err := redis.Ints(script.Do(connection, append(append(keys, hashes...), all)...))
	if err != nil {
		c.JSON(http.StatusServiceUnavailable, gin.H{"error": err.Error()})
		return
	}
	accepted := 0
	for i, new := range reply {
		outcomes[i].Status = "duplicate"
		if new == 1 {
			outcomes[i].Status = "accepted"
			accepted++
		}
	}
	body, _ := json.Marshal(gin.H{"accepted": accepted, "rejected": 0, "rows": outcomes})
	// The load wants to know how long the answer is.
	c.Header("Content-Length", strconv.Itoa(len(body)))
	c.Data(http.StatusAccepted, "application/json", body)
}
